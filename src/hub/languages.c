/* SPDX-License-Identifier: Apache-2.0
 * languages.c - which languages the text towers of published models read.
 *
 * Two different claims, never mixed: `taught` are those in which the tower itself was trained, `encoder` those that the
 * language model from which it began had read. Each is what the publishers wrote down; NULL where nobody did. A tower
 * made here is one more row.
 *
 * Read for this table: openai/CLIP: model-card.md. OFA-Sys/Chinese-CLIP: README.md. FreddeFrallan/Multilingual-CLIP:
 * README.md, "Model Cards/M-BERT Base ViT-B/Fine-Tune-Languages.md", translation/data/fine_tune_languages.csv.
 * google-research/bert: multilingual.md. UKPLab/sentence-transformers: docs/sentence_transformer/pretrained_models.md.
 * fairseq: examples/xlmr/README.md. The cards of google/siglip-base-patch16-224 and sentence-transformers/LaBSE. */
#include "hub/hub.h"

#include <stdbool.h>
#include <string.h>

/* Codes and names are those of ISO 639-1, by their English names; the forty of M-BERT-Base-ViT-B. */
static const simile_language languages[] = {
    {"sq", "Albanian", "Shqip"},
    {"am", "Amharic", "አማርኛ"},
    {"ar", "Arabic", "العربية"},
    {"az", "Azerbaijani", "Azərbaycanca"},
    {"bn", "Bengali", "বাংলা"},
    {"bg", "Bulgarian", "Български"},
    {"ca", "Catalan", "Català"},
    {"zh-cn", "Chinese (Simplified)", "简体中文"},
    {"zh-tw", "Chinese (Traditional)", "繁體中文"},
    {"nl", "Dutch", "Nederlands"},
    {"en", "English", "English"},
    {"et", "Estonian", "Eesti"},
    {"fa", "Farsi", "فارسی"},
    {"fr", "French", "Français"},
    {"ka", "Georgian", "ქართული"},
    {"de", "German", "Deutsch"},
    {"el", "Greek", "Ελληνικά"},
    {"hi", "Hindi", "हिन्दी"},
    {"hu", "Hungarian", "Magyar"},
    {"is", "Icelandic", "Íslenska"},
    {"id", "Indonesian", "Bahasa Indonesia"},
    {"it", "Italian", "Italiano"},
    {"ja", "Japanese", "日本語"},
    {"kk", "Kazakh", "Қазақша"},
    {"ko", "Korean", "한국어"},
    {"lv", "Latvian", "Latviešu"},
    {"mk", "Macedonian", "Македонски"},
    {"ms", "Malay", "Bahasa Melayu"},
    {"ps", "Pashto", "پښتو"},
    {"pl", "Polish", "Polski"},
    {"ro", "Romanian", "Română"},
    {"ru", "Russian", "Русский"},
    {"sl", "Slovenian", "Slovenščina"},
    {"es", "Spanish", "Español"},
    {"sv", "Swedish", "Svenska"},
    {"tl", "Tagalog", "Tagalog"},
    {"th", "Thai", "ไทย"},
    {"tr", "Turkish", "Türkçe"},
    {"ur", "Urdu", "اردو"},
    {"vi", "Vietnamese", "Tiếng Việt"},
};

/* All forty; all but Amharic and Pashto; all but Pashto. */
#define REST                                                                                                           \
    "sq ar az bn bg ca zh-cn zh-tw nl en et fa fr ka de el hi hu is id it ja kk ko lv mk ms pl ro ru sl es sv tl th "  \
    "tr ur vi"
#define ALL        REST " am ps"
#define ALL_BUT_PS REST " am"

/* In columns of a table: what reads little first. */
static const simile_text_tower towers[] = {
    {.models = "clip-vit-base-patch32 ViT-B-32 ViT-B-16 ViT-L-14 ViT-L-14-336px RN50 clip-ViT-B-32 "
               "CLIP-ViT-B-32-laion2B siglip-base-patch16-224 simile-scenes",
     .taught = "en",
     .encoder = "en",
     .listed = 1,
     .source = "their publishers' cards: English",
     .remark = "of captions from the web nobody counted what else was among them"},
    {.models = "chinese-clip-vit-base-patch16 chinese-clip-vit-large-patch14 chinese-clip-vit-large-patch14-336px "
               "chinese-clip-vit-huge-patch14",
     .taught = "zh-cn zh-tw",
     .encoder = "zh-cn zh-tw",
     .listed = 1,
     .source = "Chinese-CLIP's README: captions in Chinese, of which no script is named"},
    {.models = "M-BERT-Base-ViT-B",
     .taught = ALL,
     .encoder = REST,
     .listed = 40,
     .source = "its card's list of languages; the list of multilingual BERT",
     .remark = "the overview of the same repository says 68; its vocabulary has next to no Ethiopic letters"},
    {.models = "clip-ViT-B-32-multilingual-v1",
     .taught =
         "ar bg ca zh-cn zh-tw nl en et fa fr ka de el hi hu id it ja ko lv mk ms pl ro ru sl sq es sv th tr ur vi",
     .encoder = REST,
     .listed = 53,
     .source = "the list of sentence-transformers' multilingual models; the list of multilingual BERT"},
    {.models = "XLM-Roberta-Large-Vit-B-32 XLM-Roberta-Large-Vit-L-14 XLM-Roberta-Large-Vit-B-16Plus",
     .taught = "sq am ar az bn bg ca zh-cn zh-tw nl en et fr de el hi hu is id it ja mk pl ro ru sl es sv tl tr ur vi",
     .encoder = ALL,
     .listed = 48,
     .source = "the table from which Multilingual-CLIP translated its captions; XLM-R's list of 100",
     .remark = "what was not taught may work all the same: of Korean sentences 82 to 89 in 100 find their picture "
               "among the first ten (Multilingual-CLIP's README)"},
    {.models = "LABSE-Vit-L-14",
     .encoder = ALL_BUT_PS,
     .source = "LaBSE's card: 109 languages, Chinese without a script; nobody published those of the captions"},
    {.models = "xlm-roberta-base-ViT-B-32",
     .encoder = ALL,
     .source = "XLM-R's list of 100; nobody published those of the captions (LAION-5B)"},
    {.models = "simile-languages",
     .taught = ALL,
     .encoder = ALL,
     .listed = 40,
     .source = "its card: trained here from nothing on captions of drawn scenes",
     .remark = "it knows those scenes and nothing else"},
};

const simile_language *hub_language_at(size_t i)
{
    return i < sizeof languages / sizeof *languages ? &languages[i] : NULL;
}

const simile_text_tower *hub_text_tower_at(size_t i)
{
    return i < sizeof towers / sizeof *towers ? &towers[i] : NULL;
}

/* Is `word` one of those of a list with spaces between them? */
static bool has_word(const char *list, const char *word, size_t len)
{
    while (*list) {
        const size_t n = strcspn(list, " ");
        if (n == len && memcmp(list, word, n) == 0) return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

static int32_t claim(const char *list, const char *code, int32_t yes, int32_t unknown)
{
    if (!list) return unknown;
    return has_word(list, code, strlen(code)) ? yes : 0;
}

int32_t hub_tower_reads(const simile_text_tower *tower, const char *code)
{
    return claim(tower->taught, code, SIMILE_READS_TAUGHT, SIMILE_READS_TAUGHT_UNKNOWN) |
           claim(tower->encoder, code, SIMILE_READS_ENCODER, SIMILE_READS_ENCODER_UNKNOWN);
}

const simile_text_tower *hub_tower_of_name(const char *name)
{
    for (size_t i = 0; i < sizeof towers / sizeof *towers; i++)
        if (has_word(towers[i].models, name, strlen(name))) return &towers[i];
    return NULL;
}

const simile_text_tower *hub_tower_of_source(const char *source)
{
    const simile_known_model *known;
    /* "owner/name@commit"; a URL is itself */
    const size_t len = strstr(source, "://") ? strlen(source) : strcspn(source, "@");
    for (size_t i = 0; (known = hub_known_at(i)); i++)
        if (strlen(known->source) == len && memcmp(known->source, source, len) == 0)
            return hub_tower_of_name(known->name);
    return NULL;
}
