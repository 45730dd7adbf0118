// Nothing but the licence.
#include "hazard.h"
