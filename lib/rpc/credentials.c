// How the two ends trust each other. Plain text for now: TLS replaces these two functions' bodies and hands
// them its options.
#include "rpc/rpc_impl.h"

grpc_channel_credentials *credentials_for_channel(void)
{
    return grpc_insecure_credentials_create();
}

grpc_server_credentials *credentials_for_server(void)
{
    return grpc_insecure_server_credentials_create();
}
