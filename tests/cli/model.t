# compare, classify, tokenize, preprocess, info: what needs a model and no catalogue.

== compare prints the inputs, the dimension, the vectors' ends, similarities, probabilities, in this order
$ cp "$MODELS/pictures/wide.png" wide.png
> simile --model "$MODELS/tiny-quick" compare wide.png "two dogs in the snow" "a cat on a table" "London at night" |
>     numbers 3
Texts: [two dogs in the snow, a cat on a table, London at night]
Image: wide.png

Vector dimension: 16

Image vector: [*, *, ..., *, *] (glob)

Text [two dogs in the snow] vector: [-0.838, 0.971, ..., -0.591, 0.521]
Similarity: *% (glob)

Text [a cat on a table] vector: [*, *, ..., *, *] (glob)
Similarity: *% (glob)

Text [London at night] vector: [*, *, ..., *, *] (glob)
Similarity: *% (glob)

Softmax confidence (logit scale *): (glob)
Texts: [two dogs in the snow, a cat on a table, London at night]
Probabilities: [*, *, *] (glob)

Confidence of "*" being similar to the image: * (glob)

== one text alone has no probability
$ simile --model "$MODELS/tiny-quick" compare "$MODELS/pictures/wide.png" "a dog" | tail -n 1
Confidence: needs two texts or more to choose between

== a model of the SigLIP kind judges each text by itself
$ simile --model "$MODELS/tiny-siglip" compare "$MODELS/pictures/square.png" "two dogs in the snow" "a cat on a table" \
>     --json | tr '{,' '\n\n' | grep -e '"logit_' -e '"score"' -e '"similarity"' -e '"probability"' | tr -d '}]'
"logit_scale":8.1661* (glob)
"logit_bias":-9.5
"score":"sigmoid"
"similarity":-38.938* (glob)
"probability":3.1135*e-06 (glob)
"similarity":-17.576* (glob)
"probability":1.7817*e-05 (glob)
$ simile --model "$MODELS/tiny-siglip" compare "$MODELS/pictures/square.png" "two dogs in the snow" "a cat on a table" |
>     tail -n 5
Sigmoid probability (logit scale 8.1661*, bias -9.5): (glob)
Texts: [two dogs in the snow, a cat on a table]
Probabilities: [3.1135*e-06, 1.7817*e-05] (glob)

Probability of "a cat on a table" being similar to the image: 1.7817*e-05 (glob)
$ simile --model "$MODELS/tiny-siglip" compare "$MODELS/pictures/square.png" "a cat on a table" | tail -n 3
Probabilities: [1.7817*e-05] (glob)

Probability of "a cat on a table" being similar to the image: 1.7817*e-05 (glob)
$ simile --model "$MODELS/tiny-siglip" classify "$MODELS/pictures/square.png" -t '{}' -l "two dogs in the snow" \
>     -l "a cat on a table" | sed 's/^.*square/square/'
square.png: probability (sigmoid)
    0.0%  (similarity -17.58%)  a cat on a table
    0.0%  (similarity -38.94%)  two dogs in the snow
$ simile --model "$MODELS/tiny-siglip" info | grep 'logit scale'
            * parameters, stored as F32, logit scale 8.1661*, bias -9.5 (sigmoid) (glob)

== compare with a picture that is not there
$ simile --model "$MODELS/tiny-quick" compare missing.jpg "a dog"
err: simile: cannot read 'missing.jpg': no such file or directory
[1]

== compare with a file that is no picture
$ echo hello >x.jpg
> simile --model "$MODELS/tiny-quick" compare x.jpg "a dog"
err: simile: cannot read 'x.jpg': not a picture
[1]

== a model that is not there
$ simile --model nowhere/model tokenize x
err: simile: cannot read '*/nowhere/model/config.json': no such file or directory (glob)
[1]
$ simile --model no-such-name tokenize x
err: simile: cannot * 'no-such-name'* (glob)
[1]

== the model of the environment
$ SIMILE_MODEL=$MODELS/tiny-gelu simile info --json | sed 's/.*"name":"\([^"]*\)".*/\1/'
tiny-gelu
$ SIMILE_MODEL=$MODELS/tiny-gelu simile info --json --model "$MODELS/tiny-quick" | sed 's/.*"name":"\([^"]*\)".*/\1/'
tiny-quick
$ SIMILE_MODELS=$MODELS simile info --json --model tiny-f16 | sed 's/.*"name":"\([^"]*\)".*"weights":"\([^"]*\)".*/\1 \2/'
tiny-f16 F16

== tokens
$ simile --model "$MODELS/tiny-quick" tokenize "two dogs in the snow" ""
572 83 86 334 565 514 513 82 77 78 342 573
572 573
$ printf 'two dogs in the snow\r\n\n' | simile --model "$MODELS/tiny-quick" tokenize --json
{"text":"two dogs in the snow","ids":[572,83,86,334,565,514,513,82,77,78,342,573],"truncated":false,"model":"tiny-quick"}
{"text":"","ids":[572,573],"truncated":false,"model":"tiny-quick"}

== a GGUF file is a whole model, and the same one as its safetensors with a tokenizer beside them
$ cp "$MODELS/../archives/same/gguf/tiny-f16.gguf" .
> simile --model ./tiny-f16.gguf tokenize "the dog" "snob"; simile --model "$MODELS/../archives/same/safetensors" tokenize "the dog" "snob"
60 53 55 61
60 59 27 61
60 53 55 61
60 59 27 61
$ for m in ./tiny-f16.gguf "$MODELS/../archives/same/safetensors"; do simile --model "$m" info --json | grep -o '"digest":"[0-9a-f]*"'; done | uniq -c | sed 's/:.*//'
      2 "digest"

== OpenAI's archive with OpenAI's merges beside it
$ cp "$MODELS/../archives/openai/script/tiny.pt" .
> simile --model ./tiny.pt tokenize "the dog"
err: simile: cannot open the tokenizer in '*': neither * nor bpe_simple_vocab_16e6.txt.gz nor * is there (glob)
[1]
$ cp "$MODELS/../archives/openai/script/bpe_simple_vocab_16e6.txt.gz" .; simile --model ./tiny.pt tokenize "the dog" "A café"
520 513 515 521
520 320 516 69 127 358 521
$ gunzip bpe_simple_vocab_16e6.txt.gz; ls; simile --model ./tiny.pt tokenize "the dog"
bpe_simple_vocab_16e6.txt
tiny.pt
520 513 515 521
$ for m in ./tiny.pt "$MODELS/../archives/openai/safetensors"; do simile --model "$m" info --json | grep -o '"digest":"[0-9a-f]*"'; done | uniq -c | sed 's/:.*//'
      2 "digest"
$ for m in ./tiny.pt "$MODELS/../archives/openai/safetensors"; do simile --model "$m" embed --normalize --text "the dog"; done | cut -d"]" -f1 | uniq | wc -l
1

== a text that is too long is cut, which is said
$ simile --model "$MODELS/tiny-quick" tokenize "one two three four five six seven eight nine ten eleven" | wc -w
24
err: simile: warning: 'one two three four five six seven eight ...' was cut to the 24 tokens that the model reads
$ simile --quiet --model "$MODELS/tiny-quick" tokenize "one two three four five six seven eight nine ten eleven" |
>     wc -w
24
$ simile --model "$MODELS/tiny-quick" --json tokenize "one two three four five six seven eight nine ten eleven" 2>&1 |
>     grep -c '"truncated":true'
1

== a line with a NUL byte is refused
$ printf 'a\n\000b\n' | simile --model "$MODELS/tiny-quick" tokenize
572 320 573
err: simile: cannot read 'standard input': line 2 holds a NUL byte
[1]

== the tensor that the network sees
$ simile --model "$MODELS/tiny-quick" preprocess "$MODELS/pictures/wide.png" -o x.npy | sed 's/^.*wide/wide/'
wide.png: png, * x *, to 3 x 16 x 16 in x.npy (glob)
$ wc -c <x.npy
3200
$ head -c 128 x.npy | tail -c +11
{'descr': '<f4', 'fortran_order': False, 'shape': (3, 16, 16), }                                                     
$ simile --model "$MODELS/tiny-quick" preprocess "$MODELS/pictures/wide.png" -o - | cmp - x.npy

== pictures at another size
$ simile --model "$MODELS/tiny-quick" preprocess "$MODELS/pictures/wide.png" -o x.npy --image-size 24 | sed 's/^.*wide/wide/'
wide.png: png, * x *, to 3 x 24 x 24 in x.npy (glob)
$ simile --model "$MODELS/tiny-quick" info --json --image-size 24 | sed 's/.*"image_size":\([0-9]*\).*/\1/'
24
$ for n in 16 24; do
>     simile --model "$MODELS/tiny-quick" embed --image "$MODELS/pictures/wide.png" --image-size $n >$n
>     simile --model "$MODELS/tiny-quick" classify "$MODELS/pictures/wide.png" -l a -l b --image-size $n --json >c$n
> done
> simile --model "$MODELS/tiny-quick" embed --image "$MODELS/pictures/wide.png" | cmp - 16
> cmp -s 16 24; echo $?; cmp -s c16 c24; echo $?
1
1
$ simile --model "$MODELS/tiny-quick" compare "$MODELS/pictures/wide.png" a b --image-size 3
err: simile: cannot open the model '*/tiny-quick' for pictures of 3 x 3: its patches are larger (glob)
[1]
$ simile --model "$MODELS/tiny-quick" info --image-size 0
err: simile: '0' is no value for --image-size: a whole number from 1 to 8192 is needed
err: try 'simile info --help'
[2]

== a tensor of one colour is that colour, normalised
$ picture grey.ppm 128 128 128
> simile --model "$MODELS/tiny-quick" preprocess grey.ppm -o - | tail -c +129 | od -A n -t f4 -v |
>     awk '{ for (i = 1; i <= NF; i++) seen[sprintf("%.4f", $i)]++ } END { for (s in seen) print s, seen[s] }' | sort
0.0763 256
0.1689 256
0.3399 256

== a place that cannot be written
$ simile --model "$MODELS/tiny-quick" preprocess "$MODELS/pictures/wide.png" -o nowhere/x.npy
err: simile: cannot write 'nowhere/x.npy': no such file or directory
[1]

== labels, from the command line and from a file, one picture a line
$ printf 'cat\n\nhouse\r\n' >labels.txt
> simile --model "$MODELS/tiny-quick" classify "$MODELS/pictures/wide.png" "$MODELS/pictures/tall.png" --label dog \
>     --labels labels.txt --json | shape
{"image":"*wide.png","score":"softmax","labels":[{"label":"house","similarity":N,"probability":N},{"label":"dog",*},{"label":"cat",*}],"model":"tiny-quick","text_model":null} (glob)
{"image":"*tall.png","score":"softmax","labels":[{"label":"house","similarity":N,"probability":N},{"label":"cat",*},{"label":"dog",*}],"model":"tiny-quick","text_model":null} (glob)

== what classify prints says what it is
$ simile --model "$MODELS/tiny-quick" classify "$MODELS/pictures/wide.png" -l cat -l dog | sed 's/^.*wide/wide/'
wide.png: confidence (softmax)
  *%  (similarity *%)  * (glob)
  *%  (similarity *%)  * (glob)

== the probabilities of all labels add up to 1, and come with the best first
$ simile --model "$MODELS/tiny-quick" classify "$MODELS/pictures/wide.png" --label a --label b --label c --label d \
>     --label e --label f --label g --top 0 --json | tr '{' '\n' | sed -n 's/.*"probability":\([^}]*\)}.*/\1/p' |
>     awk '{ sum += $1; if (NR > 1 && $1 > last) print "out of order"; last = $1 } END { printf "%d %.4f\n", NR, sum }'
7 1.0000

== --top limits what is shown, five otherwise
$ simile --model "$MODELS/tiny-quick" classify "$MODELS/pictures/wide.png" --label a --label b --label c --label d \
>     --label e --label f --label g --top 2 | wc -l
3
$ simile --model "$MODELS/tiny-quick" classify "$MODELS/pictures/wide.png" --label a --label b --label c --label d \
>     --label e --label f --label g | wc -l
6

== a template is where the label goes
$ simile --model "$MODELS/tiny-quick" classify "$MODELS/pictures/wide.png" -l a -l b --template '{}' --json >one
> simile --model "$MODELS/tiny-quick" compare "$MODELS/pictures/wide.png" a b --json >two
> for f in one two; do tr '{' '\n' <$f | sed -n 's/.*"similarity":\([^,]*\),.*/\1/p' | numbers 3 | sort; done
* (glob)
* (glob)
* (glob)
* (glob)
$ for f in one two; do tr '{' '\n' <$f | sed -n 's/.*"similarity":\([^,]*\),.*/\1/p' | numbers 3 | sort >$f.s; done
> cmp one.s two.s

== one bad picture among many is told and passed over
$ simile --model "$MODELS/tiny-quick" classify missing.png "$MODELS/pictures/wide.png" -l a -l b | wc -l
3
err: simile: cannot read 'missing.png': no such file or directory

== a file of labels that holds none
$ echo >empty.txt
> simile --model "$MODELS/tiny-quick" classify "$MODELS/pictures/wide.png" --labels empty.txt
err: simile: cannot classify: the files hold no label
[1]

== info without a catalogue
$ simile --model "$MODELS/tiny-quick" info
simile      0.1.0
model       tiny-quick (clip), */tests/fixtures/models/tiny-quick (glob)
            vectors of 16 numbers, pictures of 16 x 16, texts of 24 tokens out of 574
            * parameters, stored as F32, logit scale * (softmax) (glob)
            digest ???????????????????????????????????????????????????????????????? (glob)
            computed in f32 (as asked for), kernels *, products oneDNN * (glob)
catalogue   */home/.local/share/simile/catalog.simile (glob)
            none yet: 'simile add FOLDER' makes it

== the type to compute in: an option goes before the environment, the identity is the same, and so is the catalogue
$ export SIMILE_MODEL=$MODELS/tiny-quick
> for d in f32 bf16 INT8; do simile info --dtype $d --json | grep -o '"digest":"[0-9a-f]*"\|"dtype":"[a-z0-9]*"\|"dtype_asked":"[a-z0-9]*"'; done | sort | uniq -c | sed 's/^ *//; s/:"[0-9a-f]\{64\}"//'
3 "digest"
1 "dtype":"bf16"
1 "dtype":"f32"
1 "dtype":"int8"
1 "dtype_asked":"bf16"
1 "dtype_asked":"f32"
1 "dtype_asked":"int8"
$ SIMILE_DTYPE=int8 simile info --json | grep -o '"dtype":"[a-z0-9]*"'; SIMILE_DTYPE=int8 simile info --json --dtype f32 | grep -o '"dtype":"[a-z0-9]*"'
"dtype":"int8"
"dtype":"f32"
$ env -u SIMILE_DTYPE simile info --json | grep -c '"dtype":"\(f32\|bf16\)","dtype_asked":"auto"'
1
$ simile add "$MODELS/pictures/wide.png" --dtype f32 | sed 's/ in .*//'
pictures: 1 added
$ for d in f32 bf16 int8 auto; do simile search x --dtype $d -p; done | sed 's/.*\///' | uniq -c | sed 's/^ *//'
4 wide.png
$ simile embed --text "two dogs" --dtype int8 >a; simile embed --text "two dogs" --dtype int8 --threads 3 >b; cmp a b
> simile embed --text "two dogs" --dtype bf16 >a; simile embed --text "two dogs" --dtype bf16 --threads 3 >b; cmp a b

== a type to compute in that there is not
$ simile --model "$MODELS/tiny-quick" info --dtype f64
err: simile: 'f64' is no value for --dtype: auto, f32, bf16 or int8 is needed
err: try 'simile info --help'
[2]
$ SIMILE_DTYPE=f64 simile --model "$MODELS/tiny-quick" info
err: simile: 'f64' is no value for $SIMILE_DTYPE: auto, f32, bf16 or int8 is needed
[1]
