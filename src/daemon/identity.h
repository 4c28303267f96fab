/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which weftd this is: a number made by chance once and kept in the state folder, so that what
 * is made from it (MACs of routers) is the same after a restart, and another one elsewhere.
 */
#ifndef WEFT_DAEMON_IDENTITY_H
#define WEFT_DAEMON_IDENTITY_H

#include <stdint.h>

/* Never 0. What is not there or broken is made anew; where that cannot be kept, the log says so,
 * and the number is good for this run. The folder is there, and locked by the caller. */
uint64_t identity_read(const char *folder);

#endif
