# The bundled model and pictures: things that a person would expect to be found.

== three sentences that the model never saw find their pictures
$ simile add "$GALLERY" | sed 's/[0-9][0-9]* added.*/N added/'
> for q in "two dogs in the snow" "a cat on a table" "London at night"; do
>     simile search "$q" -k 1 -p | sed 's/.*gallery\///'
> done
pictures: N added
two-*-dogs-in-the-snow-*.jpg (glob)
a*-cat-on-a-table-*.jpg (glob)
london-at-night-*.jpg (glob)

== the demo runs from anywhere, leaves nothing behind, and needs no home
$ env -u HOME simile demo --gallery "$GALLERY" >out; echo $?; grep -c '^\$ simile' out
0
14
$ ls "$TMPDIR"
$ simile demo --gallery "$GALLERY" --json >json; wc -l <json
53
$ grep -c '%  two-[a-z]*-dogs-in-the-snow-[^ ]*  ' out
40
$ simile --catalog kept.simile demo --gallery "$GALLERY" >/dev/null; ls kept.simile
kept.simile

== the same three in Chinese, German and Arabic, in words of the grammar that the tower for forty languages was taught
$ simile add "$GALLERY" >/dev/null
> for q in 两条狗在雪地里 一只猫在桌子上 夜晚的伦敦 \
>     "zwei Hunde im Schnee" "eine Katze auf einem Tisch" "London bei Nacht" \
>     "كلبان في الثلج" "قطة على طاولة" "لندن ليلا"; do
>     simile search --text-model simile-languages "$q" -k 1 -p | sed 's/.*gallery\///'
> done
two-*-dogs-in-the-snow-*.jpg (glob)
a*-cat-on-a-table-*.jpg (glob)
london-at-night-*.jpg (glob)
two-*-dogs-in-the-snow-*.jpg (glob)
a*-cat-on-a-table-*.jpg (glob)
london-at-night-*.jpg (glob)
two-*-dogs-in-the-snow-*.jpg (glob)
a*-cat-on-a-table-*.jpg (glob)
london-at-night-*.jpg (glob)
