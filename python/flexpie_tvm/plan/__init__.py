# SPDX-License-Identifier: Apache-2.0
"""Plans: how a layer graph is cut over a cluster. No TVM here."""

from .model.board_cluster import cluster_of_boards
from .model.cluster import TOPOLOGIES, ClusterSpec, cluster_of, parse_bandwidth, said_cluster
from .model.cluster_file import load_cluster
from .model.geometry import Exchange, Geometry, Message, derive, messages_between
from .model.plan import Choice, Plan, chosen_tensors, fitted, layer_cuttable
from .model.plan_file import load_plan, plan_from_json, plan_to_json, read_plan_json, save_plan
from .model.route import Forwarding, Routes, routes_of
from .model.scheme import KINDS, Scheme, Split, cut_points, parse_scheme, split_for, squarest_grid
from .predict.evaluate import OBJECTIVES, Evaluation, evaluate
from .predict.simulate import Event, Timeline, simulate
from .search.auto import Compared, baseline_plan, best_plan, compare
from .search.choose import check_scheme, choose_plan
from .search.finalists import finalists
from .search.planner import BASELINES, Planner
from .search.uniform import UNIFORM, uniform_plan

__all__ = [
    "BASELINES",
    "KINDS",
    "OBJECTIVES",
    "TOPOLOGIES",
    "UNIFORM",
    "Choice",
    "ClusterSpec",
    "Compared",
    "Evaluation",
    "Event",
    "Exchange",
    "Forwarding",
    "Geometry",
    "Message",
    "Plan",
    "Planner",
    "Routes",
    "Scheme",
    "Split",
    "Timeline",
    "baseline_plan",
    "best_plan",
    "check_scheme",
    "choose_plan",
    "chosen_tensors",
    "cluster_of",
    "cluster_of_boards",
    "compare",
    "cut_points",
    "derive",
    "evaluate",
    "finalists",
    "fitted",
    "layer_cuttable",
    "load_cluster",
    "load_plan",
    "messages_between",
    "parse_bandwidth",
    "parse_scheme",
    "plan_from_json",
    "plan_to_json",
    "read_plan_json",
    "routes_of",
    "said_cluster",
    "save_plan",
    "simulate",
    "split_for",
    "squarest_grid",
    "uniform_plan",
]
