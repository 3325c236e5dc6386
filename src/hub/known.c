/* SPDX-License-Identifier: Apache-2.0
 * known.c - the table of models that have a name here.
 *
 * What stands here was read in the publishers' own files: sizes in the hub's listings, licences in the repositories,
 * numbers of parameters in open_clip's docs/model_profile.csv or by summing the published shapes. What nobody looked up
 * says "unknown" or 0. OpenAI's sums are the middle part of its addresses (openai/CLIP: clip/clip.py), and that of its
 * tokenizer was taken of the file.
 *
 * The last two columns, where there are any, are for simile.json. The name of the model's space, when it is not its
 * source: the same weights from elsewhere have the same name. And the space whose vectors a text tower was taught to
 * imitate (the README of Multilingual-CLIP, the card of sentence-transformers); what is on no hub has open_clip's name.
 */
#include "hub/parts.h"

#define OPENAI           "https://openaipublic.azureedge.net/clip/models/"
#define OPENAI_LICENCE   "code MIT; weights: read OpenAI's model card"
#define SPACE_B32        "openai/clip-vit-base-patch32"
#define SPACE_L14        "openai/clip-vit-large-patch14"
#define SPACE_B16_PLUS   "open_clip/ViT-B-16-plus-240/laion400m_e32"
#define M_CLIP_LANGUAGES "48 by its training data; the encoder knows 100"

const char hub_words_url[] = "https://github.com/openai/CLIP/raw/main/clip/" HUB_WORDS;
const char hub_words_sum[] = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a";

static const simile_known_model table[] = {
    {"clip-vit-base-patch32", "pictures and text; the usual one", "English", "clip", "openai/clip-vit-base-patch32",
     OPENAI_LICENCE, 512, 1, 151277313, 0},
    {"ViT-B-32", "the same, as OpenAI published it", "English", "clip (TorchScript)",
     OPENAI "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt", OPENAI_LICENCE, 512, 1,
     151277313, 0, SPACE_B32},
    {"ViT-B-16", "pictures and text; finer, slower", "English", "clip (TorchScript)",
     OPENAI "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/ViT-B-16.pt", OPENAI_LICENCE, 512, 1,
     149620737, 0, "openai/clip-vit-base-patch16"},
    {"ViT-L-14", "pictures and text; large", "English", "clip (TorchScript)",
     OPENAI "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt", OPENAI_LICENCE, 768, 1,
     427616513, 0, SPACE_L14},
    {"ViT-L-14-336px", "pictures and text; large, sees 336 pixels", "English", "clip (TorchScript)",
     OPENAI "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/ViT-L-14-336px.pt", OPENAI_LICENCE, 768,
     1, 427944193, 0, "openai/clip-vit-large-patch14-336"},
    {"RN50", "pictures and text; a convolutional network", "English", "clip-resnet (TorchScript)",
     OPENAI "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt", OPENAI_LICENCE, 1024, 1,
     102007137, 0, "openai/RN50"},
    {"clip-ViT-B-32", "pictures and text; ViT-B-32 for sentence-transformers", "English", "clip (modules)",
     "sentence-transformers/clip-ViT-B-32", "unknown", 512, 1, 151277313, 0, SPACE_B32},
    {"clip-ViT-B-32-multilingual-v1", "text alone, beside the pictures of ViT-B-32", "more than 50", "distilbert",
     "sentence-transformers/clip-ViT-B-32-multilingual-v1", "Apache-2.0", 512, 1, 135127296, 540000000, NULL,
     SPACE_B32},
    {"XLM-Roberta-Large-Vit-B-32", "text alone, beside the pictures of ViT-B-32", M_CLIP_LANGUAGES, "mclip",
     "M-CLIP/XLM-Roberta-Large-Vit-B-32", "MIT", 512, 1, 0, 2240000000, NULL, SPACE_B32},
    {"XLM-Roberta-Large-Vit-L-14", "text alone, beside the pictures of ViT-L-14", M_CLIP_LANGUAGES, "mclip",
     "M-CLIP/XLM-Roberta-Large-Vit-L-14", "MIT", 768, 1, 0, 0, NULL, SPACE_L14},
    {"XLM-Roberta-Large-Vit-B-16Plus", "text alone, beside the pictures of ViT-B-16 plus", M_CLIP_LANGUAGES, "mclip",
     "M-CLIP/XLM-Roberta-Large-Vit-B-16Plus", "MIT", 640, 1, 0, 0, NULL, SPACE_B16_PLUS},
    {"LABSE-Vit-L-14", "text alone, beside the pictures of ViT-L-14", "the encoder knows 109", "mclip",
     "M-CLIP/LABSE-Vit-L-14", "MIT", 768, 1, 0, 0, NULL, SPACE_L14},
    {"M-BERT-Base-ViT-B",
     "text alone, beside the pictures of ViT-B-32; its last layer is elsewhere and has to be put beside it",
     "40 by its card", "bert", "M-CLIP/M-BERT-Base-ViT-B", "MIT", 512, 1, 0, 711000000, NULL, SPACE_B32},
    {"CLIP-ViT-B-32-laion2B", "pictures and text; trained on LAION-2B", "English", "clip",
     "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "unknown", 512, 1, 151277313, 0},
    {"xlm-roberta-base-ViT-B-32", "pictures and text; trained on LAION-5B", "no list; the encoder knows 100",
     "open_clip", "laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k", "MIT", 512, 1, 366120000, 1460000000},
    {"chinese-clip-vit-base-patch16", "pictures and text", "Chinese", "chinese_clip",
     "OFA-Sys/chinese-clip-vit-base-patch16", "MIT", 512, 1, 0, 0},
    {"chinese-clip-vit-large-patch14", "pictures and text; large", "Chinese", "chinese_clip",
     "OFA-Sys/chinese-clip-vit-large-patch14", "MIT", 768, 1, 0, 0},
    {"chinese-clip-vit-large-patch14-336px", "pictures and text; large, sees 336 pixels", "Chinese", "chinese_clip",
     "OFA-Sys/chinese-clip-vit-large-patch14-336px", "MIT", 768, 1, 0, 0},
    {"chinese-clip-vit-huge-patch14", "pictures and text; very large", "Chinese", "chinese_clip",
     "OFA-Sys/chinese-clip-vit-huge-patch14", "MIT", 1024, 1, 0, 0},
    {"siglip-base-patch16-224", "pictures and text; scores that stand for themselves", "English", "siglip",
     "google/siglip-base-patch16-224", "unknown", 768, 1, 0, 0},
};

const simile_known_model *hub_known_at(size_t i)
{
    return i < sizeof table / sizeof *table ? &table[i] : NULL;
}
