// Packed structs whose members are not all single bytes.
#include "hazard.h"

struct inner { u8 a; u32 b; } __attribute__((packed));
struct outer { u16 x; struct inner y; u64 z; };
struct noop { u32 a; u32 b; } __attribute__((packed));
struct hidden { u8 a; struct noop b; };
struct long_array { u8 a; u64 b[40]; } __attribute__((packed));
struct bits { u8 a; u32 b : 9; u32 c : 23; u64 d; } __attribute__((packed));
struct pointers { u8 a; void *b[3]; enum { X } c; float d; __int128 e; char text[5]; } __attribute__((packed));
struct member { u8 a; u32 b __attribute__((packed)); u16 c; };
struct four { u8 a; u32 b; } __attribute__((packed, aligned(4)));
#pragma pack(push, 2)
struct two { u8 a; u64 b; u8 c; };
#pragma pack(pop)
union either { u64 a; struct inner b[3]; } __attribute__((packed));
struct nested { u8 a; struct { u8 b; struct { u8 c; u64 d; } e; } f; union either g; struct outer h; } __attribute__((packed));

struct outer outer;
struct hidden hidden;
struct long_array long_array;
struct bits bits;
struct pointers pointers;
struct member member;
struct four four[2];
struct two two;
struct nested nested;
