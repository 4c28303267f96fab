/* SPDX-License-Identifier: BSD-3-Clause */
/* Texts of any bytes as JSON, which takes UTF-8 alone. */
#ifndef WEFT_DAEMON_JSON_TEXT_H
#define WEFT_DAEMON_JSON_TEXT_H

#include <jansson.h>

/* A text that is no UTF-8 (it was cut within a character, a packet or a file's name has it)
 * has '?' for all bytes that are not ASCII. NULL: out of memory. */
json_t *json_text(const char *text);

#endif
