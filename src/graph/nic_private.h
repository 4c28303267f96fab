/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the vnics' control side share: nic_life.c does it, nic_change.c asks. */
#ifndef WEFT_GRAPH_NIC_PRIVATE_H
#define WEFT_GRAPH_NIC_PRIVATE_H

#include "graph/nic.h"

/* Notes it and tells of it, if it is another one than before. */
void nic_set_status(struct weft_nic *nic, enum nic_status status, const char *text);

/* All that there may ever be, spread over the workers. 0, or -1: no memory; nic_free() frees. */
int nic_make_queues(struct weft_nic *nic);

/* driver->open(). Degraded, if what it opens is not there. */
enum nic_result nic_open_driver(struct weft_nic *nic, struct weft_error *error);
/* Of one that is open (else nothing happens): starts its queues and publishes it; stops them and
 * closes it. */
void nic_bring_up(struct weft_nic *nic);
void nic_bring_down(struct weft_nic *nic);
/* Down and up again; by another driver than before, if a new configuration says so. */
void nic_reopen(struct weft_nic *nic, const struct nic_driver *driver);

/* Closes it, if it is open; its queues do not run, and no worker can reach it. */
void nic_free(struct weft_nic *nic);

#endif
