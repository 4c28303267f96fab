/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/reserve.h"

#include <sys/mman.h>

void *
reserve_open(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void
reserve_close(void *memory, size_t bytes)
{
	if (memory != NULL)
		munmap(memory, bytes);
}

void
reserve_give_back(void *pages, size_t bytes)
{
	madvise(pages, bytes, MADV_DONTNEED);
}
