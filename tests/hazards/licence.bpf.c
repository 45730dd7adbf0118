// Only a licence.
#include "hazard.h"
