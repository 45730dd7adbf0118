// Pointers to types of every kind.
#include "hazard.h"

struct forward;
union forward_union;
struct list { struct list *next, **previous; struct list *many[4]; };
struct pointers {
    void *anything;
    const char *text;
    struct forward *forward;
    union forward_union *forward_union;
    struct list *list;
    int (*function)(struct forward *, ...);
    int (*functions[2])(void);
    int (*array)[5];
    void (*(*deep)(int))(char);
    u64 *restrict alias;
    const volatile int *const volatile qualified;
};
struct list list;
struct pointers pointers;
void *nowhere;
int (*handler)(int);
struct list *lists[3];

struct {
    __uint(type, HASH);
    __uint(max_entries, 1);
    __type(key, struct list *);
    __type(value, struct pointers);
} map SEC(".maps");
