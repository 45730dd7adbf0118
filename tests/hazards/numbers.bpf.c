// Numbers of every width, and arrays of every size.
#include "hazard.h"

struct numbers {
    float f, floats[2];
    double d;
    __int128 big;
    unsigned __int128 bigger[2];
    long double *pointer;
    char c, text[5], lines[2][7], one[1];
    signed char sc[3];
    unsigned char uc[3];
    u32 many[33], more[1000];
    u64 grid[2][3][4];
    long l;
    unsigned long ul;
};
struct numbers numbers;
float f = 1.5f;
double d = -0.5;
__int128 i = 1;
char c = 'c', text[] = "text", lines[2][3];
u8 megabyte[1 << 20];
