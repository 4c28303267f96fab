/* SPDX-License-Identifier: BSD-3-Clause */
/* Domain names as they are on the wire (RFC 1035 3.1), without compression. */
#ifndef WEFT_PROTOCOLS_DOMAIN_NAME_H
#define WEFT_PROTOCOLS_DOMAIN_NAME_H

#include <stdint.h>

#define DOMAIN_NAME_LENGTH 253 /* as text */
#define DOMAIN_NAME_ROOM 255   /* on the wire */

/* `to` has DOMAIN_NAME_ROOM bytes. Returns how many were written, 0: it is no domain name. */
unsigned domain_name_encode(uint8_t *to, const char *name);

#endif
