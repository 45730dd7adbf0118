// Section names that are not identifiers, and some that become the same identifier.
#include "hazard.h"

int one SEC(".data.my-sec") = 1;
int two SEC(".data.my.sec") = 2;
int three SEC(".data.my_sec") = 3;
int four SEC(".data.7up") = 4;
int five SEC(".bss.a b");
const volatile int six SEC(".rodata.v1.2-rc") = 6;
const volatile int seven SEC(".rodata.str") = 7;
const volatile int eight = 8;
int nine = 9;
int ten;
int eleven SEC(".data.Open") = 11;
int twelve SEC(".data.type") = 12;
// Not a data section.
int other SEC("data.other") = 13;

SEC("raw_tp/x") int sum(void *ctx) { return one + two + three + four + five + six + seven + eight + nine + ten + eleven + twelve; }
