// Empty types of every form.
#include "hazard.h"

struct em {};
struct holder { int a; struct em e; int b; struct em many[3]; int none[0]; struct {} nameless; union {} either; };
struct only_empty { struct em e; int none[0]; };
struct flexible { u32 len; struct em e; u8 items[]; };
struct flexible_pairs { u64 len; struct { u32 a; u16 b; } items[]; };
struct gap { u64 a; u8 b; u16 items[]; };
struct kernel { u32 count; struct { struct {} __empty; u32 items[]; }; };
struct grid { int a; int none[3][0]; char text[0]; };
union either { int a; int none[0]; struct em e; };
struct between { union { struct { u8 a; int none[0]; struct em e; long nothing[3][0]; u8 b; }; u32 c; u64 d; }; };

struct holder holder;
struct only_empty only_empty;
struct flexible flexible = { .len = 3, .items = { 1, 2, 3 } };
struct flexible_pairs flexible_pairs;
struct gap gap;
struct kernel kernel;
struct grid grid;
union either either;
struct between between;
struct em em;
int none[0];
u8 behind = 1;
