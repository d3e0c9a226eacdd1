/*
 * The callback for tickets: AES-256-CBC and HMAC-SHA-256 (RFC 5077 4), with the
 * keys of a shared memory file that only the keeper writes.
 */

#include "net/tls_ticket.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <sys/mman.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/ticket_keys.h"

struct tls_tickets {
    struct ticket_keys *keys;
    bool is_mapped;
};

struct tls_tickets *
tls_tickets_new(int fd)
{
    struct tls_tickets *t = xcalloc(sizeof *t);
    t->is_mapped = fd >= 0;
    if (!t->is_mapped) {
        t->keys = xcalloc(sizeof *t->keys);
        t->keys->n = 1;
        random_bytes(&t->keys->keys[0], sizeof t->keys->keys[0]);
        return t;
    }
    t->keys = mmap(NULL, sizeof *t->keys, PROT_READ, MAP_SHARED, fd, 0);
    if (t->keys == MAP_FAILED || t->keys->magic != TICKET_KEYS_MAGIC ||
        t->keys->version != TICKET_KEYS_VERSION) {
        log_errno(LOG_EMERG, errno, "cannot map the ticket keys");
        xfree(t);
        return NULL;
    }
    return t;
}

void
tls_tickets_free(struct tls_tickets *t)
{
    if (t->is_mapped) {
        munmap(t->keys, sizeof *t->keys);
    } else {
        mem_wipe(t->keys, sizeof *t->keys);
        xfree(t->keys);
    }
    xfree(t);
}

/* A consistent copy of the keys; read again while the keeper writes. False: the
 * writing does not end, as a keeper died in the middle. Then there are no
 * tickets until the next keeper has written. */
static bool
tickets_copy(const struct tls_tickets *t, struct ticket_keys *out)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t before =
            atomic_load_explicit(&t->keys->sequence, memory_order_acquire);
        memcpy(out->keys, t->keys->keys, sizeof out->keys);
        out->n = t->keys->n;
        atomic_thread_fence(memory_order_acquire);
        uint32_t after =
            atomic_load_explicit(&t->keys->sequence, memory_order_relaxed);
        if (before == after && before % 2 == 0) {
            return out->n != 0 && out->n <= TICKET_KEYS_N;
        }
    }
    return false;
}

static bool
ticket_set_mac(EVP_MAC_CTX *mac, const struct ticket_key *k)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(
            OSSL_MAC_PARAM_KEY, (void *)k->hmac, sizeof k->hmac),
        OSSL_PARAM_construct_utf8_string(
            OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int
ticket_seal(const struct ticket_key *k, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    random_bytes(iv, 16);
    memcpy(name, k->name, sizeof k->name);
    bool ok =
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) == 1 &&
        ticket_set_mac(mac, k);
    return ok ? 1 : -1;
}

/* 1: opened; 2: opened, but its key is not the newest. */
static int
ticket_open(const struct ticket_keys *keys, const unsigned char *name,
    unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    for (unsigned i = 0; i < keys->n; i++) {
        const struct ticket_key *k = &keys->keys[i];
        if (memcmp(name, k->name, sizeof k->name) != 0) {
            continue;
        }
        bool ok = EVP_DecryptInit_ex(
                      cipher, EVP_aes_256_cbc(), NULL, k->aes, iv) == 1 &&
                  ticket_set_mac(mac, k);
        return !ok ? -1 : i == 0 ? 1 : 2;
    }
    return 0; /* a full handshake */
}

static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing)
{
    struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_keys keys;
    if (!tickets_copy(t, &keys)) {
        return 0;
    }
    int r = is_sealing ? ticket_seal(&keys.keys[0], name, iv, cipher, mac)
                       : ticket_open(&keys, name, iv, cipher, mac);
    mem_wipe(&keys, sizeof keys);
    /* 2 makes OpenSSL send a new ticket. A client of TLS 1.3 uses a ticket once
     * (RFC 8446 C.4): without a new one its next connection would not be
     * resumed. */
    bool is_used_up =
        !is_sealing && r == 1 && SSL_version(ssl) == TLS1_3_VERSION;
    return is_used_up ? 2 : r;
}

void
tls_tickets_use(struct tls_tickets *t, struct ssl_ctx_st *ctx)
{
    SSL_CTX_set_app_data(ctx, t);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
