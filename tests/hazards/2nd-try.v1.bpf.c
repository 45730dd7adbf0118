// The file name is no identifier either.
#include "hazard.h"

int variable;
