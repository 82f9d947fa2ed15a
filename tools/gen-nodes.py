#!/usr/bin/env python3
"""Writes the table of built-in bootstrap nodes: gen-nodes.py data/nodes.json OUTPUT.c

The input has the format of https://nodes.tox.chat/json. A node with an address of both families
becomes two entries. Anything that is not as expected ends the build.
"""
import ipaddress
import json
import sys

TCP_PORTS = 4  # conf_node.tcp_ports


def entries(nodes):
    for node in nodes:
        key = bytes.fromhex(node["public_key"])
        ports = [int(p) for p in node["tcp_ports"][:TCP_PORTS]]
        port = int(node["port"])
        if len(key) != 32 or not all(0 < p < 65536 for p in [port, *ports]):
            sys.exit(f"bad key or port: {node}")
        for family, version in (("ipv4", 4), ("ipv6", 6)):
            if node[family] == "-":
                continue
            address = ipaddress.ip_address(node[family])
            if address.version != version:
                sys.exit(f"not an {family} address: {node[family]}")
            yield str(address), port, ports, key


def main():
    source, target = sys.argv[1:]
    with open(source, encoding="utf-8") as f:
        nodes = json.load(f)["nodes"]
    lines = ['#include "conf_int.h"', "", "const struct conf_node conf_builtin_table[] = {"]
    for host, port, ports, key in entries(nodes):
        tcp = ", ".join(map(str, ports)) or "0"
        hexed = ", ".join(f"0x{b:02x}" for b in key)
        lines.append(f'\t{{.host = "{host}", .port = {port}, .tcp_ports = {{{tcp}}},')
        lines.append(f"\t .key = {{{hexed}}}}},")
    lines += ["};", "const size_t conf_builtin_table_len ="]
    lines += ["\tsizeof(conf_builtin_table) / sizeof(conf_builtin_table[0]);", ""]
    with open(target, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))


main()
