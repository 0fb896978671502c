/**
 * The generated bindings, with the SDK's memory: what crosses is the call's, so nothing is freed piece by piece.
 *
 * `bindings/plugin.{h,c}` are what `wit-bindgen c --world plugin` makes of the contract. They are not edited.
 */
#include <stdlib.h>

#define free(pointer) ((void)(pointer))
// Without a C library there is none. The `cabi_realloc` in there, which would call it, is replaced by the one of guest.c.
#define realloc(pointer, size) ((void)(pointer), (void)(size), (void *)0)

#include "bindings/plugin.c"
