// Alignment by attribute, which BTF shows only in offsets and sizes.
#include "hazard.h"

struct line { int a; } __attribute__((aligned(64)));
struct page { char a; } __attribute__((aligned(4096)));
struct full { u64 a[8]; } __attribute__((aligned(64)));
struct member { char a; int b __attribute__((aligned(16))); char c; };
struct holder { char a; struct line b; char c; struct full d; };
union either { u8 b[12]; u64 q; };
union wide { int a; } __attribute__((aligned(32)));
struct unions { u8 a; union either b; u8 c; union wide d[2]; };
struct bits { int a : 3; int b : 7 __attribute__((aligned(8))); };
struct big { u64 a; __int128 b; u8 c; };
typedef int aligned_int __attribute__((aligned(16)));
struct typed { char a; aligned_int b; };

struct line line;
struct page page;
struct full full;
struct member member;
struct holder holder;
union either either;
struct unions unions;
struct bits bits;
struct big big;
struct typed typed;
int variable __attribute__((aligned(64)));
