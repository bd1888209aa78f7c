// The module "https".

import { registry } from "hookyard:prelude";

const { https } = registry.require("http");

export const { Agent, createServer, get, globalAgent, request, Server } = https;
export default https;
