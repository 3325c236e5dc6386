# languages: what is published of the text towers of known models. Nothing here opens a model.

== a row for each language, a column for each tower
$ simile languages | head -n 4
                               1  2  3  4  5  6  7  8
sq     Albanian                .  .  x  x  x  e  e  x   Shqip
am     Amharic                 .  .  o  .  x  e  e  x   አማርኛ
ar     Arabic                  .  .  x  x  x  e  e  x   العربية
$ simile languages | sed -n '2,/trained in/p' | wc -l
41
$ simile languages | grep -e 'trained in  ' -e 'read by'
       trained in              1  2 40 33 32  ?  ? 40
       read by the encoder     1  2 38 38 40 39 40 40
$ simile languages | grep -A 1 '^ 4 '
 4 clip-ViT-B-32-multilingual-v1
   source: * (glob)
$ simile languages | grep ' fa  *Farsi\|^zh'
zh-cn  Chinese (Simplified)    .  x  x  x  x  e  e  x   简体中文
zh-tw  Chinese (Traditional)   .  x  x  x  x  e  e  x   繁體中文

== one model, by its name and by where it comes from
$ simile languages clip-ViT-B-32-multilingual-v1 >name; cat name
clip-ViT-B-32-multilingual-v1: trained in 33 of 40 languages (its publisher lists 53)
trained in:
  sq Albanian, ar Arabic, bg Bulgarian, ca Catalan, zh-cn Chinese (Simplified),
  zh-tw Chinese (Traditional), nl Dutch, en English, et Estonian, fa Farsi, fr French, ka Georgian,
  de German, el Greek, hi Hindi, hu Hungarian, id Indonesian, it Italian, ja Japanese, ko Korean,
  lv Latvian, mk Macedonian, ms Malay, pl Polish, ro Romanian, ru Russian, sl Slovenian, es Spanish,
  sv Swedish, th Thai, tr Turkish, ur Urdu, vi Vietnamese
read by its encoder alone:
  az Azerbaijani, bn Bengali, is Icelandic, kk Kazakh, tl Tagalog
neither:
  am Amharic, ps Pashto
source: * (glob)
$ simile languages sentence-transformers/clip-ViT-B-32-multilingual-v1 | sed s,^sentence-transformers/,, | cmp - name

== what nobody published is not a no
$ simile languages LABSE-Vit-L-14 | grep -v '^  .*,'
LABSE-Vit-L-14: nobody published in which languages it was trained
read by its encoder alone:
unknown:
  ps Pashto
source: * (glob)

== the bundled models
$ simile languages simile-scenes | head -n 3
simile-scenes: trained in 1 of 40 languages
trained in:
  en English
$ simile languages simile-languages | head -n 1
simile-languages: trained in 40 of 40 languages

== what pull wrote down counts more than the name of the folder
$ mkdir -p models/RN50; echo '{}' >models/RN50/config.json
> SIMILE_MODELS=$PWD/models simile languages RN50 | head -n 1
RN50: trained in 1 of 40 languages
$ echo '{"source": "M-CLIP/M-BERT-Base-ViT-B@0123", "files": []}' >models/RN50/simile-model.json
> SIMILE_MODELS=$PWD/models simile languages RN50 | head -n 1; simile languages ./models/RN50/ | head -n 1
> simile languages models/RN50/config.json | head -n 1
RN50: trained in 40 of 40 languages
./models/RN50/: trained in 40 of 40 languages
models/RN50/config.json: trained in 40 of 40 languages
$ echo '{"source": "somebody/something@0123", "files": []}' >models/RN50/simile-model.json
> SIMILE_MODELS=$PWD/models simile languages RN50
RN50: nothing is known here of the languages that it reads
$ echo '{' >models/RN50/simile-model.json; SIMILE_MODELS=$PWD/models simile languages RN50 | head -n 1
RN50: trained in 1 of 40 languages

== a model that nobody wrote anything about
$ simile languages "$MODELS/tiny-quick" | sed 's/^.*tiny/tiny/'
tiny-quick: nothing is known here of the languages that it reads
$ simile languages "$MODELS/tiny-quick" --json | sed 's/.*"towers"/"towers"/'
"towers":[]}
$ simile languages no-such-model
err: simile: there is no model 'no-such-model', and none of that name is known
[1]
$ simile languages ./no-such-folder
err: simile: there is no model './no-such-folder', and none of that name is known
[1]

== every known model has languages, or says that they are unknown
$ simile models --known --json | tr '{' '\n' | sed -n 's/^"name":"\([^"]*\)".*/\1/p' >names; wc -l <names
20
$ while read -r name; do simile languages "$name" | head -n 1; done <names | grep -c -e ' of 40 languages' -e 'nobody published'
20

== JSON
$ simile languages chinese-clip-vit-base-patch16 --json | sed 's/.*"towers":/"towers":/'
"towers":[{"models":["chinese-clip-vit-base-patch16",*],"trained_in":["zh-cn","zh-tw"],"encoder_read":["zh-cn","zh-tw"],"listed":1,"source":"*","remark":null}]} (glob)
$ simile languages xlm-roberta-base-ViT-B-32 --json | grep -c '"trained_in":null,"encoder_read":\["sq",'
1
$ simile languages --json | tr '{' '\n' | grep -c '"native"'
40

== one model at most
$ simile languages a b
err: simile: 'languages' takes one model, or none
err: try 'simile languages --help'
[2]
