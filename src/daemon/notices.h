/* SPDX-License-Identifier: BSD-3-Clause */
/* What libweft notices by itself, as events: loops, limits, floods, vnics that come and go. */
#ifndef WEFT_DAEMON_NOTICES_H
#define WEFT_DAEMON_NOTICES_H

#include "daemon/daemon.h"

/* Control thread, with daemon->weft and ->events open, before there are vnics. */
void notices_open(struct daemon *daemon);

#endif
