# Flags of every target of ours, as an interface library.
add_library(tagout-flags INTERFACE)
target_compile_options(tagout-flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wformat=2 -Wvla -Wconversion -Wswitch-enum)
target_compile_definitions(tagout-flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
if(TAGOUT_WERROR)
  target_compile_options(tagout-flags INTERFACE -Werror)
endif()
if(TAGOUT_SANITIZE)
  target_compile_options(tagout-flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(tagout-flags INTERFACE -fsanitize=address,undefined)
endif()
if(TAGOUT_HARDEN)
  target_compile_options(tagout-flags INTERFACE -fstack-protector-strong -fstack-clash-protection -fcf-protection
    $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(tagout-flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
endif()
if(TAGOUT_FUZZ) # or the fuzzer sees its own few lines only
  target_compile_options(tagout-flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
