"""Tiny models of every family, random, by transformers: MODELS(size) says which; make(name, ...) writes one."""
import json, os, pathlib, shutil

os.environ["HF_HUB_OFFLINE"], os.environ["TRANSFORMERS_VERBOSITY"] = "1", "error"
import numpy as np, torch, transformers as T

torch.set_num_threads(1)


def models(hidden=24, inner=32, layers=3, heads=3, kv=1, head_dim=8, vocab=48, window=6):
    """{name: (config class, settings)}; features of a family at sizes that show them."""
    base = dict(vocab_size=vocab, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
                num_attention_heads=heads, num_key_value_heads=kv, max_position_embeddings=256, bos_token_id=1,
                eos_token_id=2, pad_token_id=0)
    rope = lambda **more: {"rope_theta": 10000.0, **more}
    types = lambda first, *others: [([first] + list(others))[l % (1 + len(others))] for l in range(layers)]
    sliding, full = "sliding_attention", "full_attention"
    factors = lambda dim: dict(short_factor=[1 + 0.1 * i for i in range(dim // 2)], long_factor=[2 + 0.1 * i for i in range(dim // 2)])
    plain = {k: v for k, v in base.items() if k != "num_key_value_heads"}
    gpt2 = dict(vocab_size=vocab, n_embd=hidden, n_layer=layers, n_head=heads, n_positions=256, n_inner=inner, bos_token_id=1, eos_token_id=2)
    dim, own = hidden // heads, dict(base, head_dim=head_dim)
    return {
        "llama_bias": (T.LlamaConfig, dict(base, attention_bias=True, mlp_bias=True)),
        "llama_yarn": (T.LlamaConfig, dict(base, rope_parameters=rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=16))),
        "llama_longrope": (T.LlamaConfig, dict(base, rope_parameters=rope(rope_type="longrope", factor=4.0, original_max_position_embeddings=16, **factors(dim)))),
        "mistral": (T.MistralConfig, dict(own, sliding_window=window)),
        "ministral": (T.MinistralConfig, dict(own, sliding_window=window, layer_types=types(sliding, full))),
        "qwen2": (T.Qwen2Config, dict(base, tie_word_embeddings=True)),
        "qwen2_window": (T.Qwen2Config, dict(base, use_sliding_window=True, sliding_window=window, max_window_layers=1)),
        "qwen3": (T.Qwen3Config, dict(own)),
        "gemma": (T.GemmaConfig, dict(own)),
        "gemma2": (T.Gemma2Config, dict(own, sliding_window=window, query_pre_attn_scalar=12)),
        "gemma3": (T.Gemma3TextConfig, dict(own, sliding_window=window, query_pre_attn_scalar=12, layer_types=types(sliding, full),
                                            rope_parameters={full: rope(rope_type="linear", factor=8.0, rope_theta=1e6), sliding: rope(rope_type="default")})),
        "phi3": (T.Phi3Config, dict(base, sliding_window=window)),
        "phi4_mini": (T.Phi3Config, dict(base, original_max_position_embeddings=16, tie_word_embeddings=True,
                                         rope_parameters=rope(rope_type="longrope", partial_rotary_factor=0.75, **factors(dim * 3 // 4)))),
        "olmo2": (T.Olmo2Config, dict(base)),
        "olmo3": (T.Olmo3Config, dict(base, sliding_window=window, layer_types=types(sliding, full),
                                      rope_parameters={full: rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=16), sliding: rope(rope_type="default")})),
        "smollm3": (T.SmolLM3Config, dict(base, no_rope_layers=[(l + 1) % 2 for l in range(layers)])),
        "granite": (T.GraniteConfig, dict(base, embedding_multiplier=12.0, logits_scaling=0.5, residual_multiplier=0.22, attention_multiplier=0.25)),
        "gpt_neox": (T.GPTNeoXConfig, dict(plain, rotary_pct=0.5)),
        "gpt2": (T.GPT2Config, gpt2),
        "qwen3_moe": (T.Qwen3MoeConfig, dict(own, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, norm_topk_prob=True, mlp_only_layers=[0])),
        "qwen2_moe": (T.Qwen2MoeConfig, dict(base, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8, shared_expert_intermediate_size=16)),
        "mixtral": (T.MixtralConfig, dict(base, num_local_experts=3, num_experts_per_tok=2, sliding_window=window, intermediate_size=inner // 2)),
        "olmoe": (T.OlmoeConfig, dict(base, num_experts=3, num_experts_per_tok=2, intermediate_size=inner // 2)),
        "gpt_oss": (T.GptOssConfig, dict(own, num_local_experts=3, num_experts_per_tok=2, sliding_window=window, intermediate_size=inner // 4,
                                         rope_parameters=rope(rope_type="yarn", factor=4.0, beta_fast=32.0, beta_slow=1.0, truncate=False, original_max_position_embeddings=16))),
        "helium": (T.HeliumConfig, dict(own)),
        "ernie4_5": (T.Ernie4_5Config, dict(own)),
        "glm4": (T.Glm4Config, dict(own)),
        "cohere": (T.CohereConfig, dict(base, use_qk_norm=True)),
        "cohere2": (T.Cohere2Config, dict(base, sliding_window=window, layer_types=types(sliding, full))),
        "stablelm": (T.StableLmConfig, dict(base, partial_rotary_factor=0.5)),
        "phi": (T.PhiConfig, dict(base)),
        "olmo": (T.OlmoConfig, dict(base, clip_qkv=0.5)),
        "starcoder2": (T.Starcoder2Config, dict(base, sliding_window=window)),
        "nemotron": (T.NemotronConfig, dict(base)),
        "arcee": (T.ArceeConfig, dict(base)),
        "seed_oss": (T.SeedOssConfig, dict(own)),
    }


def randomise(model, seed):
    """Weights that let every part matter: norms around 1, biases and sinks around 0."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda p, scale: torch.randn(p.shape, generator=g) * scale
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "bias" in name or "sinks" in name:
                p.copy_(draw(p, 0.2))
            elif p.dim() == 1 or "norm" in name:
                p.add_(draw(p, 0.3))
            elif "embed" in name or "wte" in name or "wpe" in name:
                p.copy_(draw(p, 0.5))
            else:
                p.copy_(draw(p, p.shape[-1] ** -0.5))


def make(cls, settings, directory, seed=0, dtype=torch.float16):
    """Writes config.json and model.safetensors; returns the model, in float32 with the stored weights."""
    torch.manual_seed(seed)
    config = cls(**settings)
    model = T.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float()
    randomise(model, seed)
    shutil.rmtree(directory, ignore_errors=True)
    model.to(dtype).save_pretrained(directory)
    pathlib.Path(directory, "generation_config.json").unlink(missing_ok=True)
    return T.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def weights_of(directory):
    from safetensors.torch import load_file
    return {k: v.float().numpy() for k, v in load_file(str(pathlib.Path(directory, "model.safetensors"))).items()}


def logits_of(model, tokens):
    with torch.no_grad():
        return model(torch.tensor([tokens]), use_cache=False).logits[0].float().numpy()
