// Bit fields alone, at unusual offsets, at the end, and without names.
#include "hazard.h"

struct only { u64 a : 10; u64 b : 20; };
struct holder { u8 k; struct only s; };
struct trailing { u32 a; u32 b : 1; };
struct leading { u32 a : 1; u8 b; };
struct crossing { u8 a; u64 b : 33; u64 c : 31; u8 d; };
struct zero { u8 a : 3; u8 : 0; u8 b : 3; int : 0; char c; };
struct unnamed { int a; int : 32; int b; long : 64; };
struct signs { int a : 1; signed char b : 2; long long c : 63; u64 d : 64; int e : 32; };
struct wide { __int128 a : 100; unsigned __int128 b : 128; __int128 c : 1; };
struct truth { bool a : 1, b : 1; u8 c : 6; };
struct array { struct only s[3]; u32 tail : 9; };

struct only only;
struct holder holder;
struct trailing trailing;
struct leading leading;
struct crossing crossing;
struct zero zero;
struct unnamed unnamed;
struct signs signs;
struct wide wide;
struct truth truth;
struct array array;
