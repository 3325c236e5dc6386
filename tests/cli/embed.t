# embed: the same vectors from every door.

== one line an input, in order, whatever the kind
$ simile --model "$MODELS/tiny-quick" embed --text one two --image "$MODELS/pictures/wide.png" --text three |
>     sed 's/^{"kind":"\([^"]*\)","input":"\([^"]*\)","embedding":\[.*\],"model":"tiny-quick"}$/\1 \2/; s/ .*\// /'
text one
text two
image wide.png
text three

== a word of stdin a line, a text unless said otherwise
$ printf 'one\ntwo\n' | simile --model "$MODELS/tiny-quick" embed >stdin
> simile --model "$MODELS/tiny-quick" embed --text one two | cmp - stdin
$ printf 'one\ntwo\n' | simile --model "$MODELS/tiny-quick" embed --texts-from - | cmp - stdin
$ echo "$MODELS/pictures/wide.png" | simile --model "$MODELS/tiny-quick" embed --stdin-kind image >stdin
> simile --model "$MODELS/tiny-quick" embed --image "$MODELS/pictures/wide.png" | cmp - stdin
$ echo "$MODELS/pictures/wide.png" >list
> simile --model "$MODELS/tiny-quick" embed --images-from list | cmp - stdin

== no input gives no output
$ simile --model "$MODELS/tiny-quick" embed </dev/null

== raw vectors unless unit ones are asked for
$ simile --model "$MODELS/tiny-quick" embed --normalize --text one |
>     sed 's/.*\[//; s/\].*//' | tr , '\n' | awk '{ s += $1 * $1 } END { printf "%d %.5f\n", NR, s }'
16 1.00000
$ simile --model "$MODELS/tiny-quick" embed --text one |
>     sed 's/.*\[//; s/\].*//' | tr , '\n' | awk '{ s += $1 * $1 } END { print (s > 1.01 || s < 0.99) }'
1

== the same vector in any company and with any number of threads
$ i=0; while [ $i -lt 70 ]; do echo "text number $i of these"; i=$((i + 1)); done >lines
> simile --model "$MODELS/tiny-quick" --threads 1 embed --normalize <lines >many
> while read -r line; do simile --model "$MODELS/tiny-quick" --threads 3 embed --normalize --text "$line"; done \
>     <lines | head -n 9 >each
> head -n 9 many | paste -d ' ' - each | sed 's/"[^"]*"//g; s/[^-0-9.e ,]//g; s/,/ /g' |
>     awk '{ for (i = 1; i <= NF / 2; i++) { d = $i - $(NF / 2 + i); if (d < 0) d = -d; if (d > most) most = d } }
>          END { print NR, NF, (most <= 1e-6) }'
9 32 1

== an array for numpy
$ printf 'one\ntwo\n' | simile --model "$MODELS/tiny-quick" embed --format npy -o x.npy
$ wc -c <x.npy
256
$ head -c 80 x.npy | tail -c +11 | sed 's/ *$//'; echo
{'descr': '<f4', 'fortran_order': False, 'shape': (2, 16), }
$ simile --model "$MODELS/tiny-quick" embed --format npy --text one two | cmp - x.npy
$ tail -c +129 x.npy | od -A n -t f4 -v -w64 | awk '{ for (i = 1; i <= NF; i++) printf "%.4f ", $i; print "" }' >npy
> simile --model "$MODELS/tiny-quick" embed --text one two | sed 's/.*\[//; s/\].*//; s/,/ /g' |
>     awk '{ for (i = 1; i <= NF; i++) printf "%.4f ", $i; print "" }' | cmp - npy

== an empty array has no rows
$ simile --model "$MODELS/tiny-quick" embed --format npy -o x.npy </dev/null
> head -c 80 x.npy | tail -c +11 | sed 's/ *$//'; echo
{'descr': '<f4', 'fortran_order': False, 'shape': (0, 16), }

== a bad picture is a line with its error, and the rest goes on
$ echo hello >bad.jpg
> simile --model "$MODELS/tiny-quick" embed --image missing.jpg "$MODELS/pictures/wide.png" bad.jpg 2>/dev/null >out
> echo $?
> sed 's/"embedding":\[.*\]/V/; s/"input":"[^"]*\//"input":"/' out
1
{"kind":"image","input":"missing.jpg","error":"cannot read 'missing.jpg': no such file or directory"}
{"kind":"image","input":"wide.png",V,"model":"tiny-quick"}
{"kind":"image","input":"bad.jpg","error":"cannot read 'bad.jpg': not a picture"}

== in an array it is the end, and no file is left
$ simile --model "$MODELS/tiny-quick" embed --format npy -o x.npy --image missing.jpg "$MODELS/pictures/wide.png"
err: simile: cannot read 'missing.jpg': no such file or directory
[1]
$ ls

== a text that was cut says so
$ simile --model "$MODELS/tiny-quick" embed --text "one two three four five six seven eight nine ten eleven" |
>     grep -o '"truncated":true'
"truncated":true
err: simile: warning: 'one two three four five six seven eight ...' was cut to the 24 tokens that the model reads

== bytes that are not UTF-8 count as U+FFFD
$ printf 'a\377b\n' | simile --model "$MODELS/tiny-quick" embed | sed 's/.*"input":"\([^"]*\)","embedding":/\1 /' >bad
> printf 'a\357\277\275b\n' | simile --model "$MODELS/tiny-quick" embed |
>     sed 's/.*"input":"\([^"]*\)","embedding":/\1 /' | cmp - bad

== the answer to a reader that left early
$ yes word | head -n 20000 | simile --model "$MODELS/tiny-quick" embed | head -n 1 | cut -c 1-30
{"kind":"text","input":"word",
