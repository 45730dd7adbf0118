// Unusual names that C allows: dollar signs, letters beyond ASCII, hundreds of letters.
#include "hazard.h"

struct $dollar { int $, $$, a$b; };
struct größe { int naïve, naive, Ünder; };
enum énum { ÉTÉ, $, _9 };
#define LONG(prefix) prefix##aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjjkkkkkkkkkkllllllllll
struct LONG(s_) { int LONG(m_); };
struct _ { int __; };
struct __ { int _; };
struct _1 { int _2; };

struct $dollar dollar;
struct größe größe;
enum énum énum;
struct LONG(s_) LONG(v_);
struct _ _;
struct __ __;
struct _1 _1;
int ___;
