/*
 * Feature refcounts of an open pool (format/02 §4.1).
 *
 * A feature is disabled (no entry in its ZAP), enabled (0) or active (> 0). The counts live
 * here under sf_lock; sf_dirty tells the pool room which of them to write to the feature
 * ZAPs in this txg. They change in syncing context only, except that a reader may look at
 * any time.
 *
 * A feature without which the MOS cannot be read (ZFEATURE_FLAG_MOS) is listed in every
 * label while active, so crossing between 0 and 1 dirties the config.
 */
#include "spa/spa.h"

int
zfeature_lookup_name(const char *uname, spa_feature_t *f)
{
	for (int i = 0; i < SPA_FEATURES; i++) {
		if (strcmp(spa_feature_table[i].fi_uname, uname) == 0) {
			*f = (spa_feature_t)i;
			return (0);
		}
	}
	return (ENOENT);
}

int
zfeature_lookup_guid(const char *guid, spa_feature_t *f)
{
	for (int i = 0; i < SPA_FEATURES; i++) {
		if (strcmp(spa_feature_table[i].fi_guid, guid) == 0) {
			*f = (spa_feature_t)i;
			return (0);
		}
	}
	return (ENOENT);
}

bool
zfeature_depends_on(spa_feature_t f, spa_feature_t dep)
{
	for (const spa_feature_t *d = spa_feature_table[f].fi_depends;
	     *d != SPA_FEATURE_NONE; d++)
		if (*d == dep || zfeature_depends_on(*d, dep))
			return (true);
	return (false);
}

void
spa_features_init(spa_t *spa)
{
	spa_features_t *sf = &spa->spa_features;

	mutex_init(&sf->sf_lock);
	for (int f = 0; f < SPA_FEATURES; f++) {
		sf->sf_refcount[f] = SPA_FEATURE_DISABLED;
		sf->sf_enabled_txg[f] = 0;
		sf->sf_dirty[f] = false;
	}
	sf->sf_unknown_read = nvlist_create();
	sf->sf_unknown_write = nvlist_create();
}

void
spa_features_fini(spa_t *spa)
{
	spa_features_t *sf = &spa->spa_features;

	nvlist_free(sf->sf_unknown_read);
	nvlist_free(sf->sf_unknown_write);
	mutex_destroy(&sf->sf_lock);
}

uint64_t
spa_feature_refcount(spa_t *spa, spa_feature_t f)
{
	spa_features_t *sf = &spa->spa_features;

	ASSERT(f > SPA_FEATURE_NONE && f < SPA_FEATURES);
	mutex_enter(&sf->sf_lock);
	const uint64_t count = sf->sf_refcount[f];
	mutex_exit(&sf->sf_lock);
	return (count);
}

bool
spa_feature_is_enabled(spa_t *spa, spa_feature_t f)
{
	return (spa_feature_refcount(spa, f) != SPA_FEATURE_DISABLED);
}

bool
spa_feature_is_active(spa_t *spa, spa_feature_t f)
{
	const uint64_t count = spa_feature_refcount(spa, f);

	return (count != SPA_FEATURE_DISABLED && count > 0);
}

/* sf_lock is held. The labels must follow when an M feature starts or ends being active. */
static void
feature_set(spa_t *spa, spa_feature_t f, uint64_t count)
{
	spa_features_t *sf = &spa->spa_features;
	const uint64_t old =
	    sf->sf_refcount[f] == SPA_FEATURE_DISABLED ? 0 : sf->sf_refcount[f];

	sf->sf_refcount[f] = count;
	sf->sf_dirty[f] = true;
	if ((spa_feature_table[f].fi_flags & ZFEATURE_FLAG_MOS) &&
	    (old > 0) != (count > 0))
		spa_config_mark_dirty(spa);
}

void
spa_feature_incr(spa_t *spa, spa_feature_t f, uint64_t txg)
{
	spa_features_t *sf = &spa->spa_features;

	mutex_enter(&sf->sf_lock);
	VERIFY3U(sf->sf_refcount[f], <, SPA_FEATURE_DISABLED - 1);
	feature_set(spa, f, sf->sf_refcount[f] + 1);
	mutex_exit(&sf->sf_lock);
}

void
spa_feature_decr(spa_t *spa, spa_feature_t f, uint64_t txg)
{
	spa_features_t *sf = &spa->spa_features;

	mutex_enter(&sf->sf_lock);
	VERIFY(sf->sf_refcount[f] != SPA_FEATURE_DISABLED && sf->sf_refcount[f] > 0);
	feature_set(spa, f, sf->sf_refcount[f] - 1);
	mutex_exit(&sf->sf_lock);
}

static void
feature_enable_locked(spa_t *spa, spa_feature_t f, uint64_t txg)
{
	spa_features_t *sf = &spa->spa_features;
	const zfeature_info_t *fi = &spa_feature_table[f];

	if (sf->sf_refcount[f] != SPA_FEATURE_DISABLED)
		return;
	for (const spa_feature_t *d = fi->fi_depends; *d != SPA_FEATURE_NONE; d++)
		feature_enable_locked(spa, *d, txg);
	feature_set(spa, f, (fi->fi_flags & ZFEATURE_FLAG_ACTIVATE_ON_ENABLE) ? 1 : 0);
	/* The txg is recorded for itself and all later ones (format/02 §4.1). */
	if (sf->sf_refcount[SPA_FEATURE_ENABLED_TXG] != SPA_FEATURE_DISABLED) {
		sf->sf_enabled_txg[f] = txg;
		feature_set(spa, SPA_FEATURE_ENABLED_TXG,
		    sf->sf_refcount[SPA_FEATURE_ENABLED_TXG] + 1);
	}
}

void
spa_feature_enable(spa_t *spa, spa_feature_t f, uint64_t txg)
{
	mutex_enter(&spa->spa_features.sf_lock);
	feature_enable_locked(spa, f, txg);
	mutex_exit(&spa->spa_features.sf_lock);
}

nvlist_t *
spa_features_for_label(spa_t *spa)
{
	spa_features_t *sf = &spa->spa_features;
	nvlist_t *nvl = nvlist_create();

	mutex_enter(&sf->sf_lock);
	for (int f = 0; f < SPA_FEATURES; f++) {
		const uint64_t count = sf->sf_refcount[f];
		if ((spa_feature_table[f].fi_flags & ZFEATURE_FLAG_MOS) && count > 0 &&
		    count != SPA_FEATURE_DISABLED)
			fnvlist_add_boolean(nvl, spa_feature_table[f].fi_guid);
	}
	mutex_exit(&sf->sf_lock);
	return (nvl);
}

zfeature_support_t
spa_features_support(spa_t *spa, nvlist_t **reasons)
{
	spa_features_t *sf = &spa->spa_features;
	zfeature_support_t level = ZFEATURE_CREATE;
	nvlist_t *why = nvlist_create();

	mutex_enter(&sf->sf_lock);
	for (int f = 0; f < SPA_FEATURES; f++) {
		const zfeature_info_t *fi = &spa_feature_table[f];
		if (sf->sf_refcount[f] == SPA_FEATURE_DISABLED ||
		    sf->sf_refcount[f] == 0 || fi->fi_support >= ZFEATURE_WRITE)
			continue;
		fnvlist_add_string(why, fi->fi_guid, fi->fi_desc);
		level = MIN(level, fi->fi_support);
	}
	if (!nvlist_empty(sf->sf_unknown_write)) {
		nvlist_merge(why, sf->sf_unknown_write);
		level = MIN(level, ZFEATURE_READ);
	}
	if (!nvlist_empty(sf->sf_unknown_read)) {
		nvlist_merge(why, sf->sf_unknown_read);
		level = ZFEATURE_UNSUPPORTED;
	}
	mutex_exit(&sf->sf_lock);
	if (level == ZFEATURE_CREATE)
		level = ZFEATURE_WRITE;
	if (reasons != NULL)
		*reasons = why;
	else
		nvlist_free(why);
	return (level);
}
