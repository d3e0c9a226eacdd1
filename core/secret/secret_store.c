/*
 * The values of a configuration's secrets. They are read when the configuration
 * is loaded, looked up for each request, changed in a worker by messages, and
 * wiped with the configuration. secret_source.c reads a source, secret_watch.c
 * watches it.
 */

#include "secret/secret_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "redact/worth.h"
#include "secret/scan_set.h"
#include "secret/secret_priv.h"

/* The head of a message, as it lies in memory: both ends are on one machine. */
struct message {
    uint32_t magic, index, value_n;
    uint8_t has_value, id_n;
    uint16_t zero;
};

_Static_assert(sizeof(struct message) == 16, "SECRET_MESSAGE_MAX says 16");

#define MESSAGE_MAGIC 0x31434553u /* "SEC1" */

static struct list stores = { &stores, &stores };

struct secret_item *
secret_item_find(const struct secret_slot *slot, struct str id)
{
    struct map_node *node = map_find(&slot->items, id);
    return node != NULL ? container_of(node, struct secret_item, node) : NULL;
}

struct secret_item *
secret_item_get(struct secret_slot *slot, struct str id)
{
    struct secret_item *item = secret_item_find(slot, id);
    if (item != NULL || slot->items.count == SECRET_FILES_MAX) {
        return item;
    }
    AN(id.n <= sizeof item->id);
    item = xcalloc(sizeof *item);
    if (id.n != 0) {
        memcpy(item->id, id.p, id.n);
    }
    item->node.key = str_n(item->id, id.n);
    map_add(&slot->items, &item->node);
    list_add_tail(&slot->all, &item->all);
    return item;
}

void
secret_item_free(struct secret_slot *slot, struct secret_item *item)
{
    map_del(&slot->items, &item->node);
    list_del(&item->all);
    secret_value_free(&item->value);
    xfree(item);
}

const char *
secret_label(
    const struct secret_slot *slot, struct str id, char to[SECRET_LABEL_MAX])
{
    int n = (int)(slot->spec->name.n < 128 ? slot->spec->name.n : 128);
    snprintf(to, SECRET_LABEL_MAX, "secret \"%.*s\"%s%.*s%s", n,
        slot->spec->name.p, id.n != 0 ? " of sandbox \"" : "", STR_ARG(id),
        id.n != 0 ? "\"" : "");
    return to;
}

void
secret_warn_weak(
    const struct secret_slot *slot, struct str id, struct str value)
{
    char label[SECRET_LABEL_MAX];
    if (slot->spec->is_looked_for && !worth_looking_for(value)) {
        log_at(LOG_WARN,
            "%s is used but not looked for in responses (redact): its value "
            "has no run of %d letters, digits and \"+/-_.~\" with %d bits in "
            "%.*s",
            secret_label(slot, id, label), WORTH_MIN, WORTH_BITS,
            STR_ARG(slot->spec->place));
    }
}

struct secret_store *
secret_store_new(const struct secret_spec *const *specs, unsigned n)
{
    struct secret_store *s = xcalloc(sizeof *s);
    s->magic = SECRET_STORE_MAGIC;
    s->n = n;
    s->slots = xcalloc((n + 1) * sizeof *s->slots);
    s->watch_fd = -1;
    s->scan_sets = scan_sets_new();
    for (unsigned i = 0; i < n; i++) {
        AN(specs[i]->index == i);
        s->slots[i].spec = specs[i];
        map_init(&s->slots[i].items);
        list_init(&s->slots[i].all);
    }
    list_add_tail(&stores, &s->node);
    return s;
}

/* Frees all items. `is_dropped`: their memory is unmapped and is not touched.
 */
static void
store_clear(struct secret_store *s, bool is_dropped)
{
    secret_watch_close(s);
    scan_sets_forget(s->scan_sets);
    for (unsigned i = 0; i < s->n; i++) {
        struct secret_slot *slot = &s->slots[i];
        while (!list_is_empty(&slot->all)) {
            struct secret_item *item =
                container_of(slot->all.next, struct secret_item, all);
            if (is_dropped) {
                item->value = (struct secret_value){ NULL, 0 };
            }
            secret_item_free(slot, item);
        }
    }
}

void
secret_store_free(struct secret_store *s)
{
    CHECK(s, SECRET_STORE_MAGIC);
    store_clear(s, false);
    for (unsigned i = 0; i < s->n; i++) {
        map_fini(&s->slots[i].items);
    }
    list_del(&s->node);
    scan_sets_free(s->scan_sets);
    s->magic = 0;
    xfree(s->slots);
    xfree(s);
}

static int
refuse(const struct secret_slot *slot, const char *why, char *err, size_t size)
{
    char label[SECRET_LABEL_MAX];
    snprintf(err, size, "%s: %s in %.*s", secret_label(slot, STR_NONE, label),
        why, STR_ARG(slot->spec->place));
    return -1;
}

/* A bad file of one sandbox is logged, and that sandbox's requests fail. Any
 * other failure refuses the configuration. */
static int
load_value(struct secret_slot *slot, struct str id, char *err, size_t size)
{
    char label[SECRET_LABEL_MAX];
    struct secret_reading r;
    enum secret_read how = secret_read(slot->spec, id, &r);
    slot->has_links = slot->has_links || r.is_link;
    if (how == SECRET_UNLOCKED || (how == SECRET_REFUSED && id.n == 0)) {
        return refuse(slot, r.why, err, size);
    }
    if (how == SECRET_MISSING) {
        log_at(LOG_WARN, "%s: %s in %.*s", secret_label(slot, id, label), r.why,
            STR_ARG(slot->spec->place));
        return 0;
    }
    struct secret_item *item = secret_item_get(slot, id);
    if (item == NULL) {
        secret_value_free(&r.value);
        return refuse(slot, "too many files in its directory", err, size);
    }
    item->value = r.value;
    item->is_refused = how == SECRET_REFUSED;
    if (item->is_refused) {
        log_at(LOG_ERR, "%s: %s in %.*s", secret_label(slot, id, label), r.why,
            STR_ARG(slot->spec->place));
    } else {
        secret_warn_weak(slot, id, secret_value_str(&r.value));
    }
    return 0;
}

bool
secret_is_entry(const struct dirent *e)
{
    return e->d_type != DT_DIR && id_is_valid(str_of(e->d_name));
}

static int
load_dir(struct secret_slot *slot, char *err, size_t size)
{
    char why[512], label[SECRET_LABEL_MAX], text[LOG_ERRNO_MAX];
    DIR *dir = opendir(slot->spec->from.p);
    int result = 0;
    if (dir == NULL) {
        snprintf(why, sizeof why, "\"%.400s\" cannot be opened%s",
            slot->spec->from.p, log_errno_text(errno, text));
        if (errno != ENOENT && errno != ENOTDIR) {
            return refuse(slot, why, err, size);
        }
        log_at(LOG_WARN, "%s: %s in %.*s", secret_label(slot, STR_NONE, label),
            why, STR_ARG(slot->spec->place));
        return 0;
    }
    for (struct dirent *e = readdir(dir); e != NULL && result == 0;
         e = readdir(dir)) {
        if (secret_is_entry(e)) {
            result = load_value(slot, str_of(e->d_name), err, size);
        }
    }
    closedir(dir);
    return result;
}

int
secret_store_load(
    struct secret_store *s, bool is_watched, char *err, size_t err_size)
{
    CHECK(s, SECRET_STORE_MAGIC);
    if (is_watched) {
        secret_watch_open(s);
    }
    for (unsigned i = 0; i < s->n; i++) {
        struct secret_slot *slot = &s->slots[i];
        int r = slot->spec->source == SECRET_DIR
                    ? load_dir(slot, err, err_size)
                    : load_value(slot, STR_NONE, err, err_size);
        if (r != 0) {
            return -1;
        }
    }
    return 0;
}

/* The item with the value for that sandbox; NULL: it is missing. */
static const struct secret_item *
item_of(const struct secret_store *s, unsigned index, struct str sandbox)
{
    CHECK(s, SECRET_STORE_MAGIC);
    AN(index < s->n);
    const struct secret_slot *slot = &s->slots[index];
    if (slot->spec->per_sandbox) {
        return secret_item_find(slot, sandbox);
    }
    return list_is_empty(&slot->all)
               ? NULL
               : container_of(slot->all.next, struct secret_item, all);
}

struct str
secret_get(const struct secret_store *s, unsigned index, struct str sandbox)
{
    const struct secret_item *item = item_of(s, index, sandbox);
    return item != NULL ? secret_value_str(&item->value) : STR_NONE;
}

struct secret_value
secret_hold(const struct secret_store *s, unsigned index, struct str sandbox)
{
    const struct secret_item *item = item_of(s, index, sandbox);
    if (item == NULL || item->value.p == NULL) {
        return (struct secret_value){ NULL, 0 };
    }
    return secret_value_ref(&item->value);
}

unsigned
secret_changes(const struct secret_store *s)
{
    CHECK(s, SECRET_STORE_MAGIC);
    return s->changes;
}

int
secret_message_make(
    struct secret_value *out, unsigned index, struct str id, struct str value)
{
    struct message m = { .magic = MESSAGE_MAGIC,
        .index = index,
        .value_n = (uint32_t)value.n,
        .has_value = value.p != NULL,
        .id_n = (uint8_t)id.n };
    if (secret_value_make(out, sizeof m + id.n + value.n) != 0) {
        return -1;
    }
    memcpy(out->p, &m, sizeof m);
    if (id.n != 0) {
        memcpy(out->p + sizeof m, id.p, id.n);
    }
    if (value.n != 0) {
        memcpy(out->p + sizeof m + id.n, value.p, value.n);
    }
    return 0;
}

static bool
is_same_secret(const struct secret_spec *a, const struct secret_spec *b)
{
    return str_eq(a->name, b->name) && str_eq(a->scope, b->scope) &&
           a->source == b->source && str_eq(a->from, b->from);
}

bool
secret_message_readdress(char *message, size_t n,
    const struct secret_store *from, const struct secret_store *to)
{
    struct message m;
    CHECK(from, SECRET_STORE_MAGIC);
    CHECK(to, SECRET_STORE_MAGIC);
    AN(n >= sizeof m);
    memcpy(&m, message, sizeof m);
    AN(m.magic == MESSAGE_MAGIC && m.index < from->n);
    const struct secret_spec *spec = from->slots[m.index].spec;
    unsigned i = 0;
    while (i < to->n && !is_same_secret(to->slots[i].spec, spec)) {
        i++;
    }
    m.index = i;
    memcpy(message, &m, sizeof m);
    return i < to->n;
}

/* Cuts a message into its parts; false: it is not exactly one message. */
static bool
message_read(const struct secret_store *s, struct str message,
    struct message *m, struct str *id, struct str *value)
{
    if (message.n < sizeof *m) {
        return false;
    }
    memcpy(m, message.p, sizeof *m);
    struct str rest = str_skip(message, sizeof *m);
    if (m->magic != MESSAGE_MAGIC || m->zero != 0 || m->has_value > 1 ||
        m->index >= s->n || rest.n != (size_t)m->id_n + m->value_n) {
        return false;
    }
    *id = str_n(rest.p, m->id_n);
    *value = str_skip(rest, m->id_n);
    bool is_id_right =
        s->slots[m->index].spec->per_sandbox ? id_is_valid(*id) : id->n == 0;
    bool is_value_right =
        m->has_value ? secret_refusal(*value) == NULL : value->n == 0;
    return is_id_right && is_value_right;
}

bool
secret_apply(struct secret_store *s, struct str message)
{
    struct message m;
    struct str id, text;
    CHECK(s, SECRET_STORE_MAGIC);
    if (!message_read(s, message, &m, &id, &text)) {
        return false;
    }
    struct secret_slot *slot = &s->slots[m.index];
    struct secret_item *item =
        m.has_value ? secret_item_get(slot, id) : secret_item_find(slot, id);
    if (item == NULL) {
        return !m.has_value;
    }
    s->changes++;
    scan_sets_forget(s->scan_sets);
    char label[SECRET_LABEL_MAX];
    struct secret_value v = { NULL, 0 };
    if (m.has_value && secret_value_dup(&v, text) != 0) {
        /* the value is missing then, and requests fail: the old value may have
         * been revoked */
        log_errno(LOG_ERR, errno,
            "%s is missing: no memory can be locked for it, RLIMIT_MEMLOCK "
            "is too low",
            secret_label(slot, id, label));
    }
    if (v.p == NULL) {
        secret_item_free(slot, item);
        return true;
    }
    secret_value_free(&item->value);
    item->value = v;
    log_at(LOG_INFO, "%s is used from now on", secret_label(slot, id, label));
    return true;
}

void
secret_store_after_fork(struct secret_store *s)
{
    CHECK(s, SECRET_STORE_MAGIC);
    secret_watch_close(s);
    for (struct list *l = stores.next; l != &stores; l = l->next) {
        struct secret_store *other = container_of(l, struct secret_store, node);
        if (other != s) {
            store_clear(other, false);
        }
    }
    secret_env_forget(false);
    if (secret_memory_lock() != 0) {
        log_errno(LOG_ERR, errno,
            "the memory of secrets cannot be locked, RLIMIT_MEMLOCK is too "
            "low");
    }
}

void
secret_wipe_all(void)
{
    for (struct list *l = stores.next; l != &stores; l = l->next) {
        store_clear(container_of(l, struct secret_store, node), true);
    }
    secret_env_forget(true);
    secret_memory_drop();
}
