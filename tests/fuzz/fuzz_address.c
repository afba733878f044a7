// Addresses, as they come in settings and, for peers, from a coordinator.
#include "base/memory.h"
#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct error error = ERROR_INIT;
    char *target = NULL;
    char *address = memory_alloc(n + 1);
    fuzz_require(address != NULL);
    memcpy(address, data, n);
    address[n] = '\0';
    if (address_target(&target, address, &error) == STATUS_OK)
        fuzz_require(target && strlen(target) >= strlen(address));
    else
        fuzz_require(!target && error.status == STATUS_INVALID_ARGUMENT);
    memory_free(target);
    memory_free(address);
    return 0;
}
