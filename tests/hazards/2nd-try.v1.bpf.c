// A file name that is not an identifier.
#include "hazard.h"

int variable;
