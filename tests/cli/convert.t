# convert: any model as a folder with one safetensors file.

== a single file that describes itself becomes a model of documents and weights
$ A=$SOURCE/tests/fixtures/archives/openai
> simile convert "$A/script/tiny.pt" out | sed "s|$A/||; s|/.*/out|out|"
converted script/tiny.pt
  into out
  5 files, * kB, weights in mixed (glob)
  the same model: digest ???????????????????????????????????????????????????????????????? (glob)
$ ls out
config.json
merges.txt
model.safetensors
preprocessor_config.json
vocab.json
$ simile convert "$MODELS/tiny-resnet-script" resnet >/dev/null; ls resnet
merges.txt
model.safetensors
open_clip_config.json
vocab.json
$ simile convert "$SOURCE/tests/fixtures/archives/same/gguf" gguf >/dev/null; ls gguf
config.json
merges.txt
model.safetensors
preprocessor_config.json
vocab.json
$ simile convert "$MODELS/sentence-xlmr" modules --dtype f16 >/dev/null; (cd modules && find . -type f | sort)
./0_Transformer/config.json
./0_Transformer/model.safetensors
./0_Transformer/sentence_xlm-roberta_config.json
./0_Transformer/sentencepiece.bpe.model
./0_Transformer/tokenizer_config.json
./1_Pooling/config.json
./2_Dense/config.json
./2_Dense/model.safetensors
./modules.json
./simile.json
$ for m in "$SOURCE/tests/fixtures/archives/openai/script/tiny.pt" ./out; do
>     simile info --model "$m" --json | sed 's/.*"digest":"\([^"]*\)".*/\1/'
> done | sort -u | wc -l
1

== the result reads and sees as the source does
$ for m in gguf gguf-q8_0 legacy open_clip sharded; do
>     from=$SOURCE/tests/fixtures/archives/same/$m
>     simile convert "$from" $m >/dev/null
>     simile embed --model "$from" --text "the dog" --image "$MODELS/pictures/wide.png" >a
>     simile embed --model ./$m --text "the dog" --image "$MODELS/pictures/wide.png" >b
>     sed 's/,"model".*//' a >a1; sed 's/,"model".*//' b | cmp a1 - && wc -l <b
> done
2
2
2
2
2

== nor do text towers that are a BERT change
$ for m in chinese-hf chinese-flash chinese-resnet open-clip-xlmr; do
>     simile convert "$MODELS/$m" $m | sed -n 's/digest.*/digest/; 4p'
>     simile embed --model "$MODELS/$m" --text "two dogs" --image "$MODELS/pictures/wide.png" >a
>     simile embed --model ./$m --text "two dogs" --image "$MODELS/pictures/wide.png" >b
>     cmp a b
> done
  the same model: digest
  the same model: digest
  the same model: digest
  the same model: digest

== a catalogue goes on with the converted model
$ export SIMILE_MODEL=$MODELS/tiny-quick
> pattern a.ppm 1; simile add a.ppm >/dev/null; simile convert "$MODELS/tiny-quick" same >/dev/null
> simile convert "$MODELS/tiny-quick" rounded --dtype f16 | sed -n '3s/, [0-9.]* kB//p; 4s/[0-9a-f]\{64\}/DIGEST/gp'
> simile search x --model ./same -p | sed 's/.*a.ppm/a.ppm/'
  6 files, weights in mixed
  rounded: digest DIGEST, declared to go with DIGEST
a.ppm
$ for m in "$MODELS/tiny-quick" ./rounded; do simile search x --model "$m" -p | sed 's/.*a.ppm/a.ppm/'; done
a.ppm
a.ppm
$ tr -d ' \n' <rounded/simile.json | sed 's/[0-9a-f]\{64\}/DIGEST/g'; simile convert "$MODELS/tiny-quick" x --json |
>     sed 's/.*"digest":"\([^"]*\)".*/\1/' >digest; grep -c "$(cat digest)" rounded/simile.json
{"embedding_space":{"compatible_with":["DIGEST"]}}1

== a name, a folder here, and a type in either case
$ SIMILE_MODELS=$MODELS simile convert tiny-f16 wide --dtype F32 --json | sed 's/.*"weights":\(.*\),"digest.*/\1/'
"F32","exact":true
$ cp -R "$MODELS/tiny-bf16" here; simile convert here there --json | sed 's/.*"source":"\([^"]*\)".*/\1/; s/.*work/work/'
work/here

== a folder that is taken
$ mkdir full empty; touch full/x; simile convert "$MODELS/tiny-quick" full
err: simile: cannot make '*/full': it is there already, and not empty (glob)
[1]
$ simile convert "$MODELS/tiny-quick" empty --quiet >/dev/null; ls empty | wc -l; simile convert "$MODELS/tiny-quick" empty
5
err: simile: cannot make '*/empty': it is there already, and not empty (glob)
[1]
$ simile convert "$MODELS/tiny-quick" nowhere/x
err: simile: cannot make '*/nowhere/x': no such file or directory (glob)
[1]
$ ls -A
empty
full

== a disk that is full leaves nothing
$ mkdir d; trap '' XFSZ; ulimit -f 100; simile convert "$MODELS/tiny-quick" d/x; s=$?; ls -A d; exit $s
err: simile: cannot write '*/d/.x.simile-convert/model.safetensors': file too large (glob)
[1]

== what cannot be converted
$ simile convert nowhere/x y
err: simile: cannot read '*/nowhere/x/config.json': no such file or directory (glob)
[1]
$ simile convert "$MODELS/tiny-quick"
err: simile: a model and a folder to make are needed
err: try 'simile convert --help'
[2]
$ simile convert "$MODELS/tiny-quick" y --dtype int4
err: simile: 'int4' is no value for --dtype: f32, f16, bf16 or int8 is needed
err: try 'simile convert --help'
[2]
$ ls -A

== 8-bit integers: another model, declared to go with the first, computed in int8 unless another type is asked for
$ simile convert "$MODELS/tiny-quick" small --dtype int8 --json | sed 's/.*"weights":\(.*\),"digest.*/\1/'; ls small/simile.json
"I8","exact":false
small/simile.json
$ env -u SIMILE_DTYPE simile --model ./small info | grep -o 'stored as I8\|computed in int8 (the model was converted to it'
stored as I8
computed in int8 (the model was converted to it
$ simile --model ./small info --dtype bf16 | grep -o 'computed in bf16 (as asked for'
computed in bf16 (as asked for
$ simile add --model "$MODELS/tiny-quick" "$MODELS/pictures/wide.png" | sed 's/ in .*//'; env -u SIMILE_DTYPE simile search --model ./small "x" -p | sed 's/.*\///'
pictures: 1 added
wide.png
$ simile convert ./small again --json | sed 's/.*"weights":\(.*\),"digest.*/\1/'; simile convert ./small wide --dtype f32 --json | sed 's/.*"weights":\(.*\),"digest.*/\1/'
"I8","exact":true
"F32","exact":true

== quantize-report on a catalogue and on pairs
$ simile add --model "$MODELS/tiny-quick" "$MODELS/pictures" | sed 's/:.*//'; simile quantize-report --model "$MODELS/tiny-quick" -n 2 --json | sed 's/"bytes":[0-9]*/"bytes":N/g; s/:[0-9.e-]*\([,}]\)/:N\1/g; s/.*"pictures"/"pictures"/; s/},{.*//; s/"native":[a-z]*,//'
pictures
"pictures":N,"unreadable":N,"texts":N,"nearest":N,"types":[{"dtype":"f32","picture_cosine_mean":N,"picture_cosine_p01":N,"picture_cosine_lowest":N,"text_cosine_mean":N,"text_cosine_lowest":N,"same_nearest_by_text":N,"same_nearest_by_picture":N,"recall_at_1":null,"pictures_per_second":N,"texts_per_second":N,"bytes":N
$ simile quantize-report --model "$MODELS/tiny-quick" --catalog none.simile
err: simile: cannot open the catalogue '*': there is none yet; make it with 'simile add FOLDER' (glob)
[1]
