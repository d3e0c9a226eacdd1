/*
 * What is told to be a credential, and what is not.
 */

#include "http/credential_text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
names(void **state)
{
    static const char *const yes[] = { "Authorization", "Proxy-Authorization",
        "X-Authorization", "Cookie", "X-Api-Key", "x_api_key", "api-key",
        "API_KEY", "apikey", "X-ApiKey", "X-Goog-Api-Key", "X-Auth-Token",
        "Private-Token", "JOB-TOKEN", "token", "access_token", "accessToken",
        "X-Vault-Token", "Circle-Token", "X-Auth-Key", "DD-Application-Key",
        "Ocp-Apim-Subscription-Key", "x-functions-key", "client_secret",
        "password", "user.password", "db-pwd", "pwd", "X-Amz-Signature" };
    static const char *const no[] = { "", "X-Tenant", "Idempotency-Key",
        "X-Request-Id", "key", "Surrogate-Key", "X-Token-Type", "tokens",
        "X-CSRF-Token", "x-xsrf-token", "csrf_token", "X-Atlassian-Token",
        "Author", "author", "X-Client", "signatures", "cookies" };
    char lengthy[300];
    (void)state;
    for (size_t i = 0; i < LEN(yes); i++) {
        if (!credential_text_is_name(str_of(yes[i]))) {
            fail_msg("%s is one", yes[i]);
        }
    }
    for (size_t i = 0; i < LEN(no); i++) {
        if (credential_text_is_name(str_of(no[i]))) {
            fail_msg("%s is none", no[i]);
        }
    }
    memset(lengthy, 'x', sizeof lengthy);
    assert_false(credential_text_is_name(str_n(lengthy, sizeof lengthy)));
    memcpy(lengthy + sizeof lengthy - 6, "_TOKEN", 6);
    assert_true(credential_text_is_name(str_n(lengthy, sizeof lengthy)));
}

#define TAIL "0123456789abcdef"

static void
values(void **state)
{
    static const char *const yes[] = { "sk-live-" TAIL, "ghp_" TAIL,
        "github_pat_" TAIL, "glpat-" TAIL, "npm_" TAIL, "AKIA" TAIL,
        "xoxb-" TAIL, "Bearer " TAIL, "bearer  " TAIL,
        "BASIC dXNlcjpwdw==", "Token " TAIL, "token=ghp_" TAIL "; a=b",
        "\"ghp_" TAIL "\"", "key: hf_" TAIL, "eyJhbGciOiJIUzI1NiJ9.e30.abc",
        " sk-" TAIL, "-----BEGIN PRIVATE KEY-----" };
    static const char *const no[] = { "", "a", "on", "v1", "application/json",
        "Basic plan", "Basic", "Bearer ", "Bearer $secret_token",
        "Bearer x y zzzzzzzzzzzz", "sk-learn", "ski-" TAIL, "xsk-" TAIL,
        "npm_config", "$sandbox_id $host", "a/b/c/d/e/f/g/h/i/j/k",
        "Mozilla/5.0 (X11; Linux x86_64)", TAIL TAIL };
    (void)state;
    for (size_t i = 0; i < LEN(yes); i++) {
        if (!credential_text_is_value(str_of(yes[i]))) {
            fail_msg("%s is one", yes[i]);
        }
    }
    for (size_t i = 0; i < LEN(no); i++) {
        if (credential_text_is_value(str_of(no[i]))) {
            fail_msg("%s is none", no[i]);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests_name("credential_text", tests, NULL, NULL);
}
