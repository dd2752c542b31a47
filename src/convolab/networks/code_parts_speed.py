"""The pieces of exported scripts that fast recipes need: their layers, Muon, averages, growing pictures."""

from __future__ import annotations

SCALE = '''
class Scale(nn.Module):
    """Every value times the same fixed number."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor
'''

FIXED_SCALE = '''
def fixed_scale(norm):
    """The same batch norm, with a scale that stays 1."""
    norm.weight.requires_grad_(False)
    return norm
'''

WHITENING_CONV = '''
class WhiteningConv2d(nn.Conv2d):
    """A convolution whose filters are computed from what comes in, and then stay."""

    def __init__(self, *sizes, **options):
        super().__init__(*sizes, **options)
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def fit(self, images):
        """Principal directions of the patches, scaled to deviation 1, each with its negative."""
        patches = F.unfold(images.double(), self.kernel_size).transpose(1, 2).flatten(0, 1)
        patches = patches - patches.mean(0)
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (directions / (variances.clamp_min(0) + 5e-4).sqrt()).T.flip(0)
        pairs = torch.stack((filters, -filters), 1).flatten(0, 1)[: self.out_channels]
        self.weight.copy_(pairs.view_as(self.weight))
        if self.bias is not None:
            self.bias.zero_()


def whiten(model, images):
    """Compute the filters of every such layer from what reaches it."""
    layers = [module for module in model.modules() if isinstance(module, WhiteningConv2d)]
    hooks = [layer.register_forward_pre_hook(lambda layer, inputs: layer.fit(inputs[0])) for layer in layers]
    model.eval()
    with torch.no_grad():
        model(images)
    model.train()
    for hook in hooks:
        hook.remove()
'''

GROUPS = '''
def parameter_groups(model):
    """All that is learned; the shifts of batch norms apart, because they learn faster and do not decay."""
    shifts = [module.bias for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    known = {id(shift) for shift in shifts}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    faster = {"params": shifts, "lr": LEARNING_RATE * NORM_RATE, "factor": NORM_RATE, "weight_decay": 0.0}
    return [{"params": rest, "factor": 1.0}, faster]
'''

MUON = '''
class Muon(torch.optim.Optimizer):
    """Steps that change all directions of a matrix of weights alike; Adam for what is no matrix."""

    def __init__(self, parameters, lr, momentum, weight_decay=0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        matrices = [p for group in self.param_groups for p in group["params"] if p.dim() > 1][:-1]
        self.matrices = {id(p) for p in matrices}  # all but the last, which makes the classes

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    if not state:
                        state.update(steps=0, mean=torch.zeros_like(p), square=torch.zeros_like(p))
                    state["steps"] += 1
                    (self.muon if id(p) in self.matrices else self.adam)(p, state, group)

    def muon(self, p, state, group):
        mean = state["mean"].lerp_(p.grad, 1 - group["momentum"])
        x = torch.lerp(p.grad, mean, group["momentum"]).flatten(1)
        scale = 0.2 * max(x.shape) ** 0.5
        x = x / (x.norm() + 1e-7)
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        for _ in range(5):  # towards singular values of 1 (Newton and Schulz)
            square = x @ x.T
            x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
        x = x.T if tall else x
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(x.view(p.shape), alpha=-group["lr"] * scale)

    def adam(self, p, state, group):
        mean = state["mean"].lerp_(p.grad, 0.1)
        square = state["square"].lerp_(p.grad.square(), 0.01)
        spread = (square / (1 - 0.99 ** state["steps"])).sqrt().add_(1e-8)
        p.addcdiv_(mean, spread, value=-group["lr"] / (1 - 0.9 ** state["steps"]))
'''

AVERAGE = '''
@torch.no_grad()
def follow(average, model, steps):
    """Take the model's weights into the running mean of them."""
    keep = min(AVERAGE, (1 + steps) / (10 + steps))
    for mean, value in zip(average.state_dict().values(), model.state_dict().values()):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)
'''

SHRINK = '''
def shrink(images, done):
    """Smaller pictures at first, whole ones from two thirds of training on."""
    share = START_SIZE + (1 - START_SIZE) * min(1, done * 1.5)
    size = [min(side, max(1, 2 * round(side * share / 2))) for side in images.shape[2:]]
    if size == list(images.shape[2:]):
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
'''

FLIP_IN_TURNS = """    images[mirrored] = images[mirrored].flip(3)
"""

COINS = """    coins = torch.rand(len(labels)) < 0.5  # who is mirrored in the first pass, not in the second
"""

FROZEN = """        if done >= WHITENING_UNTIL:
            for module in model.modules():
                if isinstance(module, WhiteningConv2d) and module.bias is not None:
                    module.bias.grad = None
"""
