/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/nic.h"

#include <stdlib.h>
#include <string.h>

/* NULL stays NULL; *failed is set when there was no memory. */
static void *
copy(const void *bytes, size_t length, bool *failed)
{
	void *result;

	if (bytes == NULL || length == 0)
		return NULL;
	result = malloc(length);
	if (result == NULL) {
		*failed = true;
		return NULL;
	}
	return memcpy(result, bytes, length);
}

static char *
copy_text(const char *text, bool *failed)
{
	return text != NULL ? copy(text, strlen(text) + 1, failed) : NULL;
}

struct weft_nic_config *
nic_copy_config(const struct weft_nic_config *config)
{
	struct weft_nic_config *result = malloc(sizeof(*result));
	bool failed = false;

	if (result == NULL)
		return NULL;
	*result = *config;
	result->netns = copy_text(config->netns, &failed);
	result->interface = copy_text(config->interface, &failed);
	result->devargs = copy_text(config->devargs, &failed);
	result->addresses =
		copy(config->addresses, config->n_addresses * sizeof(*config->addresses), &failed);
	result->gateways =
		copy(config->gateways, config->n_gateways * sizeof(*config->gateways), &failed);
	if (!failed)
		return result;
	nic_free_config(result);
	return NULL;
}

void
nic_free_config(struct weft_nic_config *config)
{
	if (config == NULL)
		return;
	free((void *)config->netns);
	free((void *)config->interface);
	free((void *)config->devargs);
	free((void *)config->addresses);
	free((void *)config->gateways);
	free(config);
}
