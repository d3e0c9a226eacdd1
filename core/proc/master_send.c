/*
 * What changes while children run: log files that were opened again, values of
 * secrets.
 */

#include "proc/master_priv.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "os/process.h"
#include "policy/policy_secret.h"
#include "proc/main_conf.h"
#include "proxy/logfile.h"
#include "secret/secret_store.h"

void
master_send_logs(struct master *m, struct child *ch)
{
    const struct cycle *c = ch->cycle != NULL ? ch->cycle : m->current;
    char level = (char)c->main->error_log.level;
    struct chan_msg msg = { .type = CHAN_LOG,
        .number = (uint64_t)-1,
        .data = str_n(&level, 1),
        .fd = c->error_log };
    if (c->error_log >= 0) {
        child_send(ch, &msg);
    }
    const struct logfile *f;
    for (unsigned i = 0;
         ch->cycle != NULL && (f = logfile_nth(c->conf, i)) != NULL; i++) {
        msg.number = i;
        msg.data = STR_NONE;
        msg.fd = f->fd;
        if (f->fd >= 0) {
            child_send(ch, &msg);
        }
    }
}

/* Each worker gets a memory file of its own, which it wipes. Workers that drain
 * get it too, since they may still serve a last request. `from` is the store
 * whose file changed. */
static void
send_secret_to(
    struct child *ch, struct str message, const struct secret_store *from)
{
    int fd = process_secret_file("weir: secret", message.n);
    char *p = fd < 0 ? MAP_FAILED
                     : mmap(NULL, message.n, PROT_READ | PROT_WRITE, MAP_SHARED,
                           fd, 0);
    if (p == MAP_FAILED) {
        log_errno(LOG_ALERT, errno, "cannot hand over a secret: %s %d killed",
            ch->role->name, (int)ch->pid);
        kill(ch->pid, SIGKILL);
    } else {
        struct chan_msg msg = {
            .type = CHAN_SECRET, .number = message.n, .fd = fd
        };
        memcpy(p, message.p, message.n);
        bool is_theirs = secret_message_readdress(
            p, message.n, from, policy_secret_store(ch->cycle->conf));
        if (is_theirs) {
            child_send(ch, &msg);
        } else {
            mem_wipe(p, message.n);
        }
        munmap(p, message.n);
    }
    if (fd >= 0) {
        close(fd);
    }
}

void
master_send_secret(struct master *m, struct str message)
{
    CHECK(m, MASTER_MAGIC);
    struct list *n = m->children.next;
    for (; n != &m->children; n = n->next) {
        struct child *ch = container_of(n, struct child, node);
        if (ch->role->has_secrets && ch->cycle != m->next) {
            send_secret_to(ch, message, policy_secret_store(m->current->conf));
        }
    }
}
