/* SPDX-License-Identifier: BSD-3-Clause */
/* GET /metrics: Prometheus' text format 0.0.4. */
#ifndef WEFT_DAEMON_METRICS_H
#define WEFT_DAEMON_METRICS_H

#include "daemon/daemon.h"

/* Any thread. Malloced text; NULL: out of memory. */
char *metrics_text(struct daemon *daemon);

#endif
