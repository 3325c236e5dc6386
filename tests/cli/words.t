# Words of Chinese texts, and translation, with what comes with simile.

== three sentences as words
$ simile segment --dict "$SOURCE/models/simile-zh-en/dict.txt" --no-hmm 在雪地里有两条狗 一只猫在桌子上 夜晚的伦敦
在 / 雪地 / 里 / 有 / 两条 / 狗
一只 / 猫 / 在 / 桌子 / 上
夜晚 / 的 / 伦敦
$ printf '在雪地里有两条狗\r\n\n夜晚的 伦敦' | simile segment --dict "$SOURCE/models/simile-zh-en/dict.txt" --no-hmm
在 / 雪地 / 里 / 有 / 两条 / 狗

夜晚 / 的 /   / 伦敦

== modes, words of one's own, tables
$ small=$SOURCE/tests/fixtures/text/segment; simile segment --dict "$small/dict.txt" --no-hmm 北京大学生 山水人家
> simile segment --dict "$small/dict.txt" --mode full 北京大学生
> simile segment --dict "$small/dict.txt" --hmm "$small/finalseg" --mode search 北京大学生
> simile segment --dict "$small/dict.txt" --no-hmm 杭州研大厦
> simile segment --dict "$small/dict.txt" --hmm "$small/finalseg" 杭州研大厦
> simile segment --dict "$small/dict.txt" --hmm "$small/finalseg" --no-hmm 杭州研大厦
> echo 州研 >user; simile segment --dict "$small/dict.txt" --user-dict user --no-hmm 杭州研大厦
北京 / 大学生
山水 / 人家
北京 / 北京大学 / 大学 / 大学生 / 学生
北京 / 大学 / 学生 / 大学生
杭 / 州 / 研 / 大厦
杭州 / 研 / 大厦
杭 / 州 / 研 / 大厦
杭 / 州研 / 大厦
$ small=$SOURCE/tests/fixtures/text/segment; SIMILE_JIEBA=$small simile segment --json 杭州研大厦
{"text":"杭州研大厦","words":[*],"mode":"precise","hmm":true,"dictionary":"*/tests/fixtures/text/segment/dict.txt"} (glob)
$ small=$SOURCE/tests/fixtures/text/segment; mkdir -p data/simile; cp -r "$small" data/simile/jieba
> XDG_DATA_HOME=$PWD/data simile segment --json 杭州研大厦 | grep -c '"hmm":true,"dictionary":"[^"]*/data/simile/jieba/dict.txt"'
1
$ small=$SOURCE/tests/fixtures/text/segment; SIMILE_JIEBA=$small simile segment --mode full --json x | grep -c '"hmm":false'
1

== segment: what goes wrong
$ simile segment --mode half x
err: simile: --mode is precise, full or search, not 'half'
err: try 'simile segment --help'
[2]
$ simile segment --dict nowhere x
err: simile: cannot read 'nowhere': no such file or directory
[1]
$ echo "word without" >dict; simile segment --dict dict x
err: simile: cannot read 'dict': line 1 is no word with a frequency
[1]
$ mkdir tables; echo "P={" >tables/prob_start.py; simile segment --dict "$SOURCE/models/simile-zh-en/dict.txt" --hmm tables x
err: simile: cannot read 'tables/prob_start.py': byte 5 is not as in a table of jieba's finalseg
[1]
$ simile segment --no-hmm --dict "$SOURCE/models/simile-zh-en/dict.txt" "" | wc -l
1
$ simile segment --no-hmm --dict "$SOURCE/models/simile-zh-en/dict.txt" </dev/null

== candidates, tokens and scores
$ simile translate 在雪地里有两条狗 | head -n 3
在雪地里有两条狗
  tokens: [在, 雪地, 里, 有, 两条, 狗]
   -0.0* two dogs in the snow (glob)
$ simile translate 在雪地里有两条狗 | wc -l
7
$ simile translate -n 1 在雪地里有两条狗 一只猫在桌子上 夜晚的伦敦
two dogs in the snow
a cat on a table
London at night
$ printf '夜晚的伦敦\n\n \n在雪地里有两条狗\n' | simile translate -n 1
London at night


two dogs in the snow
$ simile translate --from zh --to en --beams 3 -n 2 --json 夜晚的伦敦
{"text":"夜晚的伦敦","tokens":["夜晚","的","伦敦"],"candidates":[{"text":"London at night","score":-0.0*},{"text":*,"score":*}],"truncated":false,"translator":"simile-zh-en","from":"zh","to":"en"} (glob)
$ simile translate --json "" | sed 's/"truncated.*//'
{"text":"","tokens":[],"candidates":[],

== many lines give what each gives alone, in their order
$ for i in $(seq 25); do echo 在雪地里有两条狗; echo 夜晚的伦敦; done | simile translate -n 1 | uniq | wc -l
50
$ for i in $(seq 25); do echo 在雪地里有两条狗; echo 夜晚的伦敦; done | simile translate --json --threads 1 | sort | uniq -c | awk '{ print $1 }'
25
25

== pieces are joined whatever the text is
$ simile translate 乒乓球拍卖完了 "xyzzy 雪地里 foo" "🐶🐶" "$(printf 'a\377b')" "小明硕士毕业于中国科学院计算所" | grep -c @@
0
[1]

== what is longer than the translator reads is said
$ simile translate -n 1 "$(for i in $(seq 40); do printf 狗和; done)" | wc -l
1
err: simile: warning: '*' was cut to the 64 tokens that the translator reads (glob)

== translate: what goes wrong
$ simile translate --from de Hund
err: simile: there is no translator from 'de' to 'en'
[1]
$ simile translate --translator "$SOURCE/models/simile-scenes" x
err: simile: cannot read '*/models/simile-scenes/config.json': model_type 'clip' is no translator ("marian") (glob)
[1]
$ simile translate --beams 2 x
err: simile: cannot give the 5 best of 2 beams
err: try 'simile translate --help'
[2]
$ SIMILE_TRANSLATOR=nothing simile translate x
err: simile: cannot find the model 'nothing' in * (glob)
[1]
$ simile translate -n 0 x
err: simile: '0' is no value for --best: a whole number from 1 to 64 is needed
err: try 'simile translate --help'
[2]

== another translator: pieces of SentencePiece
$ simile translate --translator "$SOURCE/tests/fixtures/translate/swish" -n 2 --json ab | grep -c '"tokens":\["▁'
1
