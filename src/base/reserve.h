/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address space for as much as there may ever be: zero, and no memory before it is written to.
 */
#ifndef WEFT_BASE_RESERVE_H
#define WEFT_BASE_RESERVE_H

#include <stddef.h>

/* Aligned to a page. NULL: the address space is used up. */
void *reserve_open(size_t bytes);
void reserve_close(void *memory, size_t bytes);

/* Whole pages of it are zero again, and the kernel has them back. */
void reserve_give_back(void *pages, size_t bytes);

#endif
