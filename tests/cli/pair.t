# pair, --text-model, --force-pairing: one model sees, another reads. tiny-reader's vectors are as long as tiny-quick's.

== what nothing declares is refused, in one sentence, by every command that encodes texts
$ cp -r "$MODELS/tiny-reader" reader; pattern a.ppm 1
> for c in 'embed --text x' 'compare a.ppm x y' 'search x' 'classify a.ppm --label x' 'add a.ppm' 'tokenize x' info; do
>     simile --model "$MODELS/tiny-quick" --text-model ./reader $c
> done
err: simile: 'reader' is not declared to read texts for 'tiny-quick': its simile.json does not name that model's space ('simile pair' adds it, --force-pairing goes without)
err: simile: 'reader' is not declared to read texts for 'tiny-quick': its simile.json does not name that model's space ('simile pair' adds it, --force-pairing goes without)
err: simile: 'reader' is not declared to read texts for 'tiny-quick': its simile.json does not name that model's space ('simile pair' adds it, --force-pairing goes without)
err: simile: 'reader' is not declared to read texts for 'tiny-quick': its simile.json does not name that model's space ('simile pair' adds it, --force-pairing goes without)
err: simile: 'reader' is not declared to read texts for 'tiny-quick': its simile.json does not name that model's space ('simile pair' adds it, --force-pairing goes without)
err: simile: 'reader' is not declared to read texts for 'tiny-quick': its simile.json does not name that model's space ('simile pair' adds it, --force-pairing goes without)
err: simile: 'reader' is not declared to read texts for 'tiny-quick': its simile.json does not name that model's space ('simile pair' adds it, --force-pairing goes without)
[1]
$ ls
a.ppm
reader

== pair says what it writes, and takes it back
$ cp -r "$MODELS/tiny-reader" reader; cp -r "$MODELS/tiny-quick" sees
> simile pair ./reader ./sees
*/work/reader/simile.json (glob)
  will say that 'reader' reads texts for the pictures of 'sees':
  digest  cf6beff687419837e36826d1fd3ec4b7b4ae6ea6def96fa5f6cbb134d741859b
done
$ cat reader/simile.json; simile pair ./reader ./sees | tail -n 1
{
 "embedding_space": {
  "compatible_with": [
   "cf6beff687419837e36826d1fd3ec4b7b4ae6ea6def96fa5f6cbb134d741859b"
  ]
 }
}
nothing to change
$ echo '{"embedding_space": {"name": "toys/one"}}' >sees/simile.json; simile pair ./reader ./sees | tail -n 3
  digest  cf6beff687419837e36826d1fd3ec4b7b4ae6ea6def96fa5f6cbb134d741859b
  name    toys/one
done
$ simile info ./reader | grep -A 2 digest; simile info ./sees | grep -A 1 digest | tail -n 1
            digest * (glob)
            beside cf6beff687419837e36826d1fd3ec4b7b4ae6ea6def96fa5f6cbb134d741859b
            beside toys/one
            space toys/one
$ simile pair --remove ./reader ./sees; ls reader/simile.json 2>&1 | sed 's/.*: //'
*/work/reader/simile.json (glob)
  will no longer say that 'reader' reads texts for the pictures of 'sees':
  digest  cf6beff687419837e36826d1fd3ec4b7b4ae6ea6def96fa5f6cbb134d741859b
  name    toys/one
done
No such file or directory
$ simile pair ./reader ./sees --json; simile pair ./reader ./sees --json --remove
{"text_model":"reader","image_model":"sees","file":"*/reader/simile.json","digest":"cf6b*","name":"toys/one","declared":true,"changed":true} (glob)
{"text_model":"reader","image_model":"sees","file":"*/reader/simile.json","digest":"cf6b*","name":"toys/one","declared":false,"changed":true} (glob)

== pair needs two models that can be one
$ simile pair
err: simile: a pair is a model that reads and a model that sees
err: try 'simile pair --help'
[2]
$ simile pair "$MODELS/tiny-quick" nothing
err: simile: cannot find the model 'nothing' in * (glob)
[1]
$ cp -r "$MODELS/tiny-gelu" other; simile pair ./other "$MODELS/tiny-quick" | tail -n 1
* (glob)
err: simile: cannot pair the model 'tiny-quick' with the texts of 'other': their vectors have 16 and 17 numbers
$ simile pair "$SOURCE/tests/fixtures/archives/same/gguf/tiny-f16.gguf" "$SOURCE/tests/fixtures/archives/same/bin" | tail -n 1
* (glob)
err: simile: cannot declare a space for the model 'tiny-f16.gguf': it is a single file, and only a folder can hold a 'simile.json'

== the story: a catalogue made with the one, asked through the other, nothing indexed again
$ cp -r "$MODELS/tiny-reader" reader; mkdir pics; for i in 1 2 3; do pattern pics/$i.ppm $i; done
> export SIMILE_MODEL=$MODELS/tiny-quick
> simile add pics | sed 's/ in .*//'; simile pair ./reader "$SIMILE_MODEL" >/dev/null
> simile search --text-model ./reader "a cat on a table" --json | sed 's/,"count.*//'
> simile add --text-model ./reader pics --text "a bird"
pictures: 3 added
{"query":"a cat on a table","model":"tiny-quick","text_model":"reader"
pictures: 3 unchanged
texts: 1 added
$ export SIMILE_MODEL=$MODELS/tiny-quick
> simile search --text-model ./reader "a cat" -p >one; SIMILE_TEXT_MODEL=./reader simile search "a cat" -p | cmp - one
> simile search --model ./reader "a cat" -p | cmp - one
> SIMILE_TEXT_MODEL=./nothing simile search --text-model '' "a cat" -p | wc -l
3
$ simile --model "$MODELS/tiny-quick" --text-model ./reader info | sed -n '2,$s/, .*//p' | grep -v digest
model       tiny-quick (clip)
            vectors of 16 numbers
            37,121 parameters
            computed in f32 (as asked for)
text model  reader (clip)
            vectors of 16 numbers
            32,411 parameters
            computed in f32 (as asked for)
            3 pictures
$ simile --model ./reader info | tail -n 1
            vectors of tiny-quick (the model above is declared to fit)

== a model of texts alone beside one that sees, and alone before its catalogue
$ cp -r "$MODELS/sentence-bert" words; mkdir pics; for i in 1 2 3; do pattern pics/$i.ppm $i; done
> export SIMILE_MODEL=$MODELS/tiny-quick; simile add pics | sed 's/ in .*//'
> simile search --model ./words "two dogs" -p
pictures: 3 added
err: simile: the vectors in the catalogue are those of the model 'tiny-quick' (*), not of 'words' (*) (glob)
[1]
$ export SIMILE_MODEL=$MODELS/tiny-quick; simile pair ./words "$SIMILE_MODEL" | tail -n 1
> simile search --model ./words "两只狗在雪地里" -p >alone; simile search --text-model ./words "两只狗在雪地里" -p | cmp - alone
> wc -l <alone; simile compare --text-model ./words pics/1.ppm "两只狗" "a cat" --json | grep -o '"text_model":"[^"]*"'
done
3
"text_model":"words"
$ simile pair "$MODELS/tiny-quick" ./words | tail -n 1
* (glob)
err: simile: cannot pair the model 'words' with the texts of 'tiny-quick': 'words' has no image tower

== the vectors of a pair are those of its two halves
$ cp -r "$MODELS/tiny-reader" reader; pattern a.ppm 1; simile pair ./reader "$MODELS/tiny-quick" >/dev/null
> simile --model "$MODELS/tiny-quick" --text-model ./reader embed --text one --image a.ppm --text "a cat" >pair
> simile --model ./reader embed --text one "a cat" >read; simile --model "$MODELS/tiny-quick" embed --image a.ppm >seen
> sed -n 2p pair | cmp - seen; sed 2d pair | cmp - read
> sed 's/.*"model"/"model"/' pair
"model":"reader"}
"model":"tiny-quick"}
"model":"reader"}
$ simile --model "$MODELS/tiny-quick" --text-model ./reader tokenize two dogs --json >pair
> simile --model ./reader tokenize two dogs --json | cmp - pair; simile tokenize --model "$MODELS/tiny-quick" two dogs >other
> simile --model ./reader tokenize two dogs | cmp -s - other
[1]
$ simile --model "$MODELS/tiny-quick" --text-model ./reader compare a.ppm x y --json | sed 's/,"image.*//'
{"model":"tiny-quick","text_model":"reader","dimension":16,"logit_scale":100.00296,"logit_bias":0,"score":"softmax"
$ simile --model "$MODELS/tiny-quick" --text-model ./reader classify a.ppm --label x --json | sed 's/.*],//'
"model":"tiny-quick","text_model":"reader"}
$ simile --model "$MODELS/tiny-quick" --text-model ./reader embed --text "$(printf 'word %.0s' $(seq 60))" | grep -o trunc
trunc
err: simile: warning: 'word word word word word word word word ...' was cut to the 19 tokens that the model reads

== force needs no declaration, but vectors of one length
$ simile --model "$MODELS/tiny-quick" --text-model "$MODELS/tiny-reader" --force-pairing tokenize x | wc -l
1
$ simile --model "$MODELS/tiny-quick" --text-model "$MODELS/tiny-gelu" --force-pairing tokenize x
err: simile: cannot pair the model 'tiny-quick' with the texts of 'tiny-gelu': their vectors have 16 and 17 numbers
[1]

== a declaration that was tampered with
$ cp -r "$MODELS/tiny-quick" sees; echo '{"embedding_space": {"name": "../../etc passwd"}}' >sees/simile.json
> simile --model ./sees tokenize x
err: simile: cannot read '*/sees/simile.json': '../../etc passwd' cannot be the name of a space (glob)
[1]
$ echo '{"embedding_space": {"compatible_with": ["abc", "x y"]}}' >sees/simile.json; simile --model ./sees tokenize x
err: simile: cannot read '*/sees/simile.json': what it is compatible with is no name or digest (glob)
[1]
$ echo '{"embedding_space": {"compatible_with": ["a"]' >sees/simile.json; simile --model ./sees tokenize x
err: simile: cannot read '*/sees/simile.json': not JSON: * (glob)
[1]
$ head -c 70000 /dev/zero | tr '\0' ' ' >sees/simile.json; simile --model ./sees tokenize x
err: simile: cannot read '*/sees/simile.json': 70000 bytes, more than the limit of 65536 (glob)
[1]
$ rm sees/simile.json; mkdir sees/simile.json; simile --model ./sees tokenize x
err: simile: cannot read '*/sees/simile.json': * (glob)
[1]

== a conversion that loses digits goes on with the catalogue of the original
$ cp -r "$SOURCE/tests/fixtures/archives/same/gguf-q8_0" small; mkdir pics; pattern pics/1.ppm 1
> simile --model "$SOURCE/tests/fixtures/archives/same/bin" add pics | sed 's/ in .*//'
> simile --model ./small add pics
pictures: 1 added
err: simile: the vectors in the catalogue are those of the model 'bin' (1f2a4e3a), not of 'small' (dbc41689)
[1]
$ simile pair ./small "$SOURCE/tests/fixtures/archives/same/bin" >/dev/null; pattern pics/2.ppm 2
> simile --model ./small add pics | sed 's/ in .*//'; simile --model "$SOURCE/tests/fixtures/archives/same/bin" search x -p | wc -l
pictures: 1 added, 1 unchanged
2
$ simile info --model ./small --json | sed 's/.*"model":"bin"/"model":"bin"/'
"model":"bin","model_digest":"1f2a*","space":null,"accepts_model":true}} (glob)

== a catalogue of version 1 is read as it is, and brought up to date by whoever writes
$ cp "$SOURCE/tests/fixtures/catalogs/schema-1.simile" old.simile; chmod u+w old.simile; cp old.simile before
> simile search --model "$MODELS/tiny-quick" --catalog old.simile "two dogs" -p | sort; cmp old.simile before
> simile verify --catalog old.simile
> simile info --model "$MODELS/tiny-quick" old.simile | tail -n 2
/pictures/square.png
/pictures/tall.png
/pictures/wide.png
6 items, 0 problems
            3 pictures, 3 texts, 6.1 kB, schema 1
            vectors of tiny-quick
$ cp -r "$MODELS/tiny-quick" named; echo '{"embedding_space": {"name": "toys/one"}}' >named/simile.json
> simile add --model ./named --catalog old.simile --text "a bird"
> simile verify --catalog old.simile; simile info --model ./named old.simile | tail -n 3
texts: 1 added
7 items, 0 problems
            3 pictures, 4 texts, *, schema 2 (glob)
            vectors of tiny-quick
            space toys/one

== info takes a model and a catalogue
$ simile info tiny-quick "$SOURCE/tests/fixtures/catalogs/schema-1.simile" 2>&1 | head -n 1
simile: cannot find the model 'tiny-quick' * (glob)
$ SIMILE_MODELS=$MODELS simile info tiny-quick "$SOURCE/tests/fixtures/catalogs/schema-1.simile" | sed -n '2p;7p' | sed 's/,.*//'
model       tiny-quick (clip)
catalogue   */schema-1.simile (glob)
$ simile info "$MODELS/tiny-quick" --items
err: simile: cannot open the catalogue '*': there is none yet; make it with 'simile add FOLDER' (glob)
[1]
