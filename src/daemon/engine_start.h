/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting the engine as the configuration's `system` says. */
#ifndef WEFT_DAEMON_ENGINE_START_H
#define WEFT_DAEMON_ENGINE_START_H

#include "daemon/daemon.h"
#include "model/model.h"

/* Whether DPDK may use PCI devices. */
bool engine_has_devices(const struct configuration *configuration);
/* workers: 0: as the configuration says. identity: of identity.h. NULL: error. */
struct weft *engine_start(const struct configuration *configuration, unsigned workers,
	uint64_t identity, struct weft_error *error);
/* Names the owner of taps after the state folder: what outlives a crash is found again by it. */
int engine_name_instance(const char *state, struct weft_error *error);

#endif
