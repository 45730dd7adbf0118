// libbpf knows no type for the first two sections, and does not load their programs.
#include "hazard.h"

SEC("?xdp/named")
int old(void *context)
{
    return 2;
}

SEC("?cgroup/other")
int older(void *context)
{
    return 1;
}

SEC("raw_tp/sys_enter")
int fine(void *context)
{
    return 0;
}
