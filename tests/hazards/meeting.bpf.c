// Different C names that become the same in the letter case of Rust.
#include "hazard.h"

struct event { int a; };
struct Event { int a; int b; };
struct event_ { long a; };
struct _event { char a; };
struct ev_ent { short a; };
struct evEnt { int a[3]; };
struct EVENT { int a[5]; };
union event2 { int a; };
enum event_2 { EVENT_2 };
typedef struct event3 { int a; } event3;
typedef struct { int a; int b; } event_3;
// CO-RE flavors of one kernel struct.
struct task___old { int pid; };
struct task___new { int pid, tgid; };

struct all {
    struct event a; struct Event b; struct event_ c; struct _event d; struct ev_ent e; struct evEnt f; struct EVENT g;
    union event2 h; enum event_2 i; event3 j; event_3 k; struct task___old l; struct task___new m;
} all;

struct members {
    int self, self_, self__, r_self, type, r, Self, Self_;
};
struct members members;

int variable, Variable, VARIABLE;
int self, self_, Self, crate, super, _;

struct {
    __uint(type, RINGBUF);
    __uint(max_entries, 4096);
} rb SEC(".maps"), Rb SEC(".maps"), r_b SEC(".maps"), rb_ SEC(".maps"), RB SEC(".maps");

SEC("raw_tp/x") int prog(void *ctx) { return 0; }
SEC("raw_tp/x") int Prog(void *ctx) { return self + self_; }
