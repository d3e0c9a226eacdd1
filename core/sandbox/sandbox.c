/*
 * Makes and frees sandboxes. sandbox_set.c finds them and changes them.
 */

#include "sandbox/sandbox.h"

#include "base/mem.h"

struct sandbox *
sandbox_new(struct str id)
{
    struct sandbox *sb = xcalloc(sizeof *sb);
    AN(id.n != 0 && id.n <= sizeof sb->id_text);
    sb->magic = SANDBOX_MAGIC;
    sb->refs = 1;
    memcpy(sb->id_text, id.p, id.n);
    sb->id = str_n(sb->id_text, id.n);
    sb->by_id.key = sb->id;
    sb->by_token.key = str_n((const char *)sb->token, SHA256_SIZE);
    list_init(&sb->conns);
    list_init(&sb->node);
    return sb;
}

struct sandbox *
sandbox_ref(struct sandbox *sb)
{
    CHECK(sb, SANDBOX_MAGIC);
    AN(sb->refs != 0);
    sb->refs++;
    return sb;
}

void
sandbox_unref(struct sandbox *sb)
{
    CHECK(sb, SANDBOX_MAGIC);
    AN(sb->refs != 0);
    if (--sb->refs != 0) {
        return;
    }
    AN(list_is_empty(&sb->conns));
    AZ(list_is_linked(&sb->node));
    if (sb->policy != NULL) {
        policy_unref(sb->policy);
    }
    mem_wipe(sb->token, sizeof sb->token);
    xfree(sb->addresses);
    xfree((void *)sb->ca_der.p);
    sb->magic = 0;
    xfree(sb);
}

void
sandbox_assign(
    struct sandbox *sb, uint64_t serial, unsigned index, struct str ca_der)
{
    CHECK(sb, SANDBOX_MAGIC);
    AN(serial != 0);
    AN(list_is_empty(&sb->conns));
    xfree((void *)sb->ca_der.p);
    sb->serial = serial;
    sb->index = index;
    sb->ca_der = str_n(xstrndup(ca_der), ca_der.n);
    sha256(ca_der, sb->ca_digest);
}
