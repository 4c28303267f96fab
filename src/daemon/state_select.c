/* SPDX-License-Identifier: BSD-3-Clause */
/* Which objects are asked for: by name and by filters. */
#include "base/error.h"
#include "base/nearest.h"
#include "daemon/state_internal.h"
#include "firewall/firewall.h"
#include "router/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what fits ------------------------------------------------------------------------------- */

static bool
in_network(const struct state_selector *selector, const struct weft_network *network)
{
	return selector->network != NULL && network != NULL &&
	       strcmp(selector->network, network->name) == 0;
}

/* Whether the selector, of those kinds that tell about ports, leaves room for the device. */
static bool
fits_device(const struct state_selector *selector, const struct weft_device *device)
{
	if (!in_network(selector, device->network))
		return false;
	if (selector->kind == SELECT_NETWORK)
		return true;
	return (selector->kind == SELECT_DEVICE || selector->kind == SELECT_ROUTER ||
		       selector->kind == SELECT_FIREWALL || selector->kind == SELECT_PORT) &&
	       strcmp(selector->device, firewall_name(device)) == 0;
}

static bool
fits_nic(const struct state_selector *selector, const struct weft_nic *nic)
{
	switch (selector->kind) {
	case SELECT_NETWORK:
		return in_network(selector, nic->network);
	case SELECT_NIC:
		return in_network(selector, nic->network) &&
		       strcmp(selector->object, nic->name) == 0;
	case SELECT_UPLINK:
		return nic->network == NULL && strcmp(selector->object, nic->name) == 0;
	default:
		return false;
	}
}

bool
state_selects_network(const struct state_view *view, const struct weft_network *network)
{
	for (unsigned i = 0; i < view->n_selectors; i++)
		if (!in_network(&view->selectors[i], network))
			return false;
	return true;
}

bool
state_selects_device(const struct state_view *view, const struct weft_device *device)
{
	for (unsigned i = 0; i < view->n_selectors; i++)
		if (!fits_device(&view->selectors[i], device))
			return false;
	return true;
}

bool
state_selects_vport(const struct state_view *view, const struct weft_vport *vport)
{
	for (unsigned i = 0; i < view->n_selectors; i++) {
		const struct state_selector *selector = &view->selectors[i];

		if (!fits_device(selector, vport->device) ||
			(selector->kind == SELECT_PORT &&
				strcmp(selector->object, vport->name) != 0))
			return false;
	}
	return true;
}

bool
state_selects_by_port(const struct state_view *view)
{
	for (unsigned i = 0; i < view->n_selectors; i++)
		if (view->selectors[i].kind == SELECT_PORT)
			return true;
	return false;
}

bool
state_selects_nic(const struct state_view *view, const struct weft_nic *nic)
{
	for (unsigned i = 0; i < view->n_selectors; i++)
		if (!fits_nic(&view->selectors[i], nic))
			return false;
	return true;
}

bool
state_selects_link(const struct state_view *view, const char *network, const char *name)
{
	for (unsigned i = 0; i < view->n_selectors; i++) {
		const struct state_selector *selector = &view->selectors[i];

		if (strcmp(selector->network, network) != 0 ||
			(selector->kind == SELECT_LINK && strcmp(selector->object, name) != 0))
			return false;
	}
	return true;
}

bool
state_selects_number(const struct state_view *view, uint64_t number)
{
	for (unsigned i = 0; i < view->n_selectors; i++)
		if (view->selectors[i].number != number)
			return false;
	return true;
}

/* ---- making them ----------------------------------------------------------------------------- */

/* "NETWORK/DEVICE:PORT", "NETWORK/OBJECT", "OBJECT", by what members the selector is to have. */
static int
split(struct state_selector *selector, const char *text, bool network, bool device, bool object)
{
	const char *at = text, *end;
	bool memory = true;

	if (network) {
		end = device || object ? strchr(at, '/') : at + strlen(at);
		if (end == NULL || end == at)
			return -1;
		selector->network = strndup(at, (size_t)(end - at));
		memory = selector->network != NULL;
		at = *end != '\0' ? end + 1 : end;
	}
	if (device) {
		end = object ? strchr(at, ':') : at + strlen(at);
		if (end == NULL || end == at)
			return -1;
		selector->device = strndup(at, (size_t)(end - at));
		memory = memory && selector->device != NULL;
		at = *end != '\0' ? end + 1 : end;
	}
	if (object) {
		if (*at == '\0')
			return -1;
		selector->object = strdup(at);
		memory = memory && selector->object != NULL;
	}
	return memory ? 0 : ENOMEM;
}

static int
read_number(struct state_selector *selector, const char *text)
{
	char *end;

	errno = 0;
	selector->number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && text[0] >= '0' && text[0] <= '9' ? 0 : -1;
}

int
state_select(struct state_view *view, enum state_selector_kind kind, const char *text,
	struct weft_error *error)
{
	static const struct {
		bool network, device, object;
		const char *form;
	} forms[] = {
		[SELECT_NETWORK] = { true, false, false, "a network" },
		[SELECT_DEVICE] = { true, true, false, "a switch as NETWORK/SWITCH" },
		[SELECT_ROUTER] = { true, true, false, "a router as NETWORK/ROUTER" },
		[SELECT_FIREWALL] = { true, true, false, "a firewall as NETWORK/FIREWALL" },
		[SELECT_PORT] = { true, true, true, "a port as NETWORK/DEVICE:PORT" },
		[SELECT_NIC] = { true, false, true, "a nic as NETWORK/NIC" },
		[SELECT_UPLINK] = { false, false, true, "an uplink" },
		[SELECT_LINK] = { true, false, true, "a link as NETWORK/LINK" },
		[SELECT_NUMBER] = { false, false, false, "a number" },
	};
	struct state_selector *selector = &view->selectors[view->n_selectors++];
	int result;

	*selector = (struct state_selector){ .kind = kind };
	if (kind == SELECT_NUMBER)
		result = read_number(selector, text);
	else
		result = split(selector, text, forms[kind].network, forms[kind].device,
			forms[kind].object);
	if (result == ENOMEM)
		return error_memory(error);
	if (result < 0)
		return error_set(
			error, EINVAL, "'%.200s' does not name %s", text, forms[kind].form);
	return 0;
}

void
state_selectors_free(struct state_view *view)
{
	while (view->n_selectors > 0) {
		struct state_selector *selector = &view->selectors[--view->n_selectors];

		free(selector->network);
		free(selector->device);
		free(selector->object);
	}
}

/* ---- whether it is there --------------------------------------------------------------------- */

const char *
state_hint(const char *nearest, char text[STATE_HINT_SIZE])
{
	if (nearest == NULL)
		return "";
	snprintf(text, STATE_HINT_SIZE, "; did you mean '%.250s'?", nearest);
	return text;
}

/* The name that was meant, with what is before it. */
static int
missing(struct weft_error *error, const char *what, const char *before, const char *name,
	const char *nearest)
{
	char hint[STATE_HINT_SIZE], whole[STATE_HINT_SIZE];

	if (nearest != NULL)
		snprintf(whole, sizeof(whole), "%s%s", before, nearest);
	return error_set(error, ENOENT, "there is no %s '%.100s%.64s'%s", what, before, name,
		state_hint(nearest != NULL ? whole : NULL, hint));
}

static struct weft_network *
find_network(struct weft *weft, const char *name, struct weft_error *error)
{
	struct nearest nearest = { .wanted = name };
	struct weft_network *network;

	TAILQ_FOREACH(network, &weft->networks, entry)
	{
		if (strcmp(network->name, name) == 0)
			return network;
	}
	TAILQ_FOREACH(network, &weft->networks, entry)
	nearest_offer(&nearest, network->name);
	missing(error, "network", "", name, nearest.best);
	return NULL;
}

/* What may be meant: a switch as well as a router where ports or drops of either are asked for. */
static const struct weft_device *
find_device(const struct weft_network *network, const struct state_selector *selector,
	struct weft_error *error)
{
	const char *name = selector->device;
	const struct device_class *class = selector->kind == SELECT_ROUTER     ? &router_class
					   : selector->kind == SELECT_FIREWALL ? &firewall_class
									       : NULL;
	struct nearest nearest = { .wanted = name };
	const struct weft_device *device;
	char before[VPORT_NAME_SIZE];

	TAILQ_FOREACH(device, &network->devices, entry)
	{
		/* those that people have not named have a colon */
		if (class != NULL ? device->class != class : strchr(device->name, ':') != NULL)
			continue;
		if (strcmp(firewall_name(device), name) == 0)
			return device;
		nearest_offer(&nearest, firewall_name(device));
	}
	snprintf(before, sizeof(before), "%s/", network->name);
	missing(error, class != NULL ? class->name : "switch", before, name, nearest.best);
	return NULL;
}

static int
check_port(const struct weft_device *device, const char *name, struct weft_error *error)
{
	struct nearest nearest = { .wanted = name };
	const struct weft_vport *vport;
	char before[VPORT_NAME_SIZE];

	TAILQ_FOREACH(vport, &device->vports, entry)
	{
		if (strcmp(vport->name, name) == 0)
			return 0;
	}
	TAILQ_FOREACH(vport, &device->vports, entry)
	nearest_offer(&nearest, vport->name);
	state_device_path(device, before);
	strncat(before, ":", sizeof(before) - strlen(before) - 1);
	return missing(error, "port", before, name, nearest.best);
}

static int
check_nic(
	struct weft *weft, struct weft_network *network, const char *name, struct weft_error *error)
{
	struct nearest nearest = { .wanted = name };
	struct nic_list *nics = engine_nics(weft, network);
	const struct weft_nic *nic;
	char before[VPORT_NAME_SIZE] = "";

	TAILQ_FOREACH(nic, nics, entry)
	{
		if (strcmp(nic->name, name) == 0)
			return 0;
	}
	TAILQ_FOREACH(nic, nics, entry)
	nearest_offer(&nearest, nic->name);
	if (network != NULL)
		snprintf(before, sizeof(before), "%s/", network->name);
	return missing(error, network != NULL ? "nic" : "uplink", before, name, nearest.best);
}

static int
check_selector(struct weft *weft, const struct state_selector *selector, struct weft_error *error)
{
	struct weft_network *network = NULL;
	const struct weft_device *device = NULL;

	if (selector->network != NULL) {
		network = find_network(weft, selector->network, error);
		if (network == NULL)
			return -1;
	}
	if (selector->device != NULL) {
		device = find_device(network, selector, error);
		if (device == NULL)
			return -1;
	}
	switch (selector->kind) {
	case SELECT_PORT:
		return check_port(device, selector->object, error);
	case SELECT_NIC:
	case SELECT_UPLINK:
		return check_nic(weft, network, selector->object, error);
	default:
		return 0;
	}
}

int
state_check_selectors(const struct state_view *view, struct weft_error *error)
{
	for (unsigned i = 0; i < view->n_selectors; i++)
		if (check_selector(view->weft, &view->selectors[i], error) < 0)
			return -1;
	return 0;
}
