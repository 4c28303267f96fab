/* SPDX-License-Identifier: BSD-3-Clause */
/* The vnic drivers that there are, for the registry; their contract is graph/nic.h. */
#ifndef WEFT_NIC_DRIVERS_H
#define WEFT_NIC_DRIVERS_H

#include "graph/nic.h"

extern const struct nic_driver dpdk_driver;
extern const struct nic_driver interface_driver;
extern const struct nic_driver memory_driver;
extern const struct nic_driver tap_driver;

#endif
