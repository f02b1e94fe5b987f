/** The rules of the house, by the sentence that a failing check prints. */
import { domainsEraseAndExport } from "./account-data.js";
import { domainsAreReachedByIndex, domainsFormATree, rolesKeepTheirPlace, storesPublishNothing } from "./domains.js";
import { driversStayInTheirFile, onlyTheAppNamesImplementations } from "./implementations.js";
import { domainsUsePorts, everyFileHasARoom, importsPointDownward, kernelIsPure } from "./layers.js";
import {
  everyMethodHasARateClass,
  everyMethodHasARestPath,
  everyMethodHasATest,
  everyMethodIsDocumented,
  everyMethodSaysWhoMayCall,
  type MethodRule,
} from "./methods.js";
import type { Rule } from "./source.js";
import { dangerousWordsHaveAReason, foldersSayWhatTheyHold, wordsStayInTheirPlace } from "./words.js";

/** Rules on the files of server/. */
export const sourceRules: Readonly<Record<string, Rule>> = {
  "every file of server/ stands in a room of the architecture": everyFileHasARoom,
  "imports point only downward": importsPointDownward,
  "kernel/ is pure": kernelIsPure,
  "domains reach the outside world through ports": domainsUsePorts,
  "inside a domain handler -> service -> store -> schema": rolesKeepTheirPlace,
  "stores publish nothing": storesPublishNothing,
  "a domain is reached only through its index.ts": domainsAreReachedByIndex,
  "domains form a tree": domainsFormATree,
  "a domain erases and exports what it holds of accounts": domainsEraseAndExport,
  "only app.ts names implementations": onlyTheAppNamesImplementations,
  "drivers stay in their file": driversStayInTheirFile,
  "the environment, the process and default exports stay in their place": wordsStayInTheirPlace,
  "what switches a check off says why": dangerousWordsHaveAReason,
  "folders say what they hold": foldersSayWhatTheyHold,
};

/** Rules on the methods of proto/. */
export const methodRules: Readonly<Record<string, MethodRule>> = {
  "every RPC says who may call it": everyMethodSaysWhoMayCall,
  "every RPC has a rate class": everyMethodHasARateClass,
  "every RPC has a REST path": everyMethodHasARestPath,
  "every RPC is documented": everyMethodIsDocumented,
  "every RPC has a test of its own": everyMethodHasATest,
};
