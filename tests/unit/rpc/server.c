// The echo server alone, for clients in other languages: prints its address, serves until its input ends.
#include "echo.h"
#include <stdio.h>

int main(void)
{
    struct echo echo;
    echo_start(&echo, NULL, 1);
    printf("%s\n", echo.address);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    echo_stop(&echo);
    return 0;
}
