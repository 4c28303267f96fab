/* SPDX-License-Identifier: BSD-3-Clause */
/* Every device type and vnic driver that libweft has: one line each. */
#include "firewall/firewall.h"
#include "graph/engine.h"
#include "nic/drivers.h"
#include "nic/tap.h"
#include "router/router.h"
#include "switch/switch.h"
#include "tunnel/tunnel.h"

static const struct device_class *const classes[] = {
	&switch_class,
	&router_class,
	&tunnel_class,
	&firewall_class,
	&address_set_class,
	&port_set_class,
	NULL,
};

static const struct nic_driver *const drivers[] = {
	&dpdk_driver,
	&interface_driver,
	&memory_driver,
	&tap_driver,
	NULL,
};

struct weft *
weft_open(const struct weft_options *options, struct weft_error *error)
{
	return engine_open(options, classes, drivers, error);
}

void
weft_close(struct weft *weft)
{
	engine_close(weft);
	tap_drain();
}
