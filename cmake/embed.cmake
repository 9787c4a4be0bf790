# cmake -DIN=file -DOUT=file.c -DNAME=symbol -P embed.cmake: a text file as a NUL-terminated array (a literal may not be this long).
# Lines that hold only a comment are left out.
file(READ ${IN} text)
string(REGEX REPLACE "(^|\n)[ ]*#[^\n]*" "\\1" text "${text}")
string(REGEX REPLACE "\n\n+" "\n" text "${text}")
file(WRITE ${OUT}.text "${text}")
file(READ ${OUT}.text hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "/* Made from ${NAME}'s source; do not edit. */\nextern const char ${NAME}[];\nconst char ${NAME}[] = {${bytes}0};\n")
